package policy

import (
	"sync"
	"time"
)

// Rate bounds how many calls the whole server takes: so many a second, and as many at
// once. The zero value has no bound; use NewRate.
type Rate struct {
	interval time.Duration

	mu    sync.Mutex
	taken time.Time // until when what was taken uses the rate up
}

// NewRate makes a bound of so many calls a second; 0 for none.
func NewRate(perSecond int) *Rate {
	if perSecond <= 0 {
		return &Rate{}
	}
	return &Rate{interval: time.Second / time.Duration(perSecond)}
}

// Take counts one call, or tells after which time there is room for it.
func (r *Rate) Take() (after time.Duration, ok bool) {
	if r.interval == 0 {
		return 0, true
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.taken
	if taken.Before(now) {
		taken = now
	}
	if ahead := taken.Add(r.interval).Sub(now); ahead > time.Second {
		return ahead - time.Second, false
	}
	r.taken = taken.Add(r.interval)
	return 0, true
}
