package dialog

import (
	"errors"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// errResting tells that every next hop has asked to be left alone for a while.
var errResting = errors.New("the next hop has asked by Retry-After to be left alone")

// Bounds of what is remembered of overloaded hops. A gateway behind the proxy may have
// spoken for itself only, so nobody is left alone for long.
const (
	maxRest    = 32 * time.Second
	maxResting = 256
)

// resting knows the next hops that have answered 503 with Retry-After (RFC 3261 section
// 21.5.4).
type resting struct {
	mu    sync.Mutex
	until map[transport.Target]time.Time
}

// note takes a 503 of t.
func (r *resting) note(t transport.Target, resp *sip.Message) {
	wait := min(time.Duration(delta(resp.Get(sip.RetryAfter)))*time.Second, maxRest)
	if wait == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil || len(r.until) >= maxResting {
		r.until = make(map[transport.Target]time.Time)
	}
	r.until[t] = time.Now().Add(wait)
}

// awake gives those of targets that may be asked now.
func (r *resting) awake(targets []transport.Target) []transport.Target {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) == 0 {
		return targets
	}
	var list []transport.Target
	for _, t := range targets {
		if until, ok := r.until[t]; ok && time.Now().Before(until) {
			continue
		}
		delete(r.until, t)
		list = append(list, t)
	}
	return list
}

// unavailable takes a 503: the next hop that is left is tried once (RFC 3263 section
// 4.3), with the same credentials, for it stands for the same name.
func (s *Session) unavailable(tx *transaction.Client, resp *sip.Message) {
	s.ua.resting.note(tx.Target(), resp)
	s.mu.Lock()
	again := s.calling() && len(s.hop) > 1
	if again {
		if s.bound != nil {
			s.bound = &s.hop[1]
		}
		s.hop, s.setup.auth = s.hop[1:], nil
	}
	s.mu.Unlock()
	if !again {
		s.reject(resp)
		return
	}
	s.restart(s.describe(), resp, nil)
}
