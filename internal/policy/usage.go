package policy

import (
	"sync"
	"time"
)

// Ongoing is a call that counts as one at once until it is over.
type Ongoing interface{ Over() bool }

// usage is what one user has had.
type usage struct {
	recent []time.Time // when the calls of the last minute were placed
	day    time.Time   // the midnight with which the day began
	today  int
	live   []Ongoing
}

// usages keeps those of users who have limits. A user who has had nothing today and has
// no call is forgotten at the next sweep.
type usages struct {
	mu     sync.Mutex
	of     map[string]*usage
	placed int // since the last sweep
}

// sweepEvery is after how many placed calls users are forgotten.
const sweepEvery = 1024

// take counts a call of the user at that moment, in the time zone of the policy, unless
// a limit is reached; then it gives the rule and when that is over.
func (u *usages) take(user string, s *Set, now time.Time) (rule string, limit int, after time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	x := u.get(user)
	x.forget(now)
	switch {
	case s.AtOnce > 0 && len(x.live) >= s.AtOnce:
		return "calls_at_once", s.AtOnce, 0
	case s.PerMinute > 0 && len(x.recent) >= s.PerMinute:
		return "calls_per_minute", s.PerMinute, time.Minute - now.Sub(x.recent[len(x.recent)-s.PerMinute])
	case s.PerDay > 0 && x.today >= s.PerDay:
		return "calls_per_day", s.PerDay, x.day.AddDate(0, 0, 1).Sub(now)
	}
	if s.PerMinute > 0 {
		x.recent = append(x.recent, now)
	}
	x.today++
	if u.placed++; u.placed >= sweepEvery {
		u.sweep(now)
	}
	return "", 0, 0
}

// began counts a call as one at once.
func (u *usages) began(user string, call Ongoing) {
	u.mu.Lock()
	defer u.mu.Unlock()
	x := u.get(user)
	x.live = append(x.live, call)
}

func (u *usages) get(user string) *usage {
	x := u.of[user]
	if x == nil {
		x = &usage{}
		if u.of == nil {
			u.of = map[string]*usage{}
		}
		u.of[user] = x
	}
	return x
}

// forget leaves out what is over.
func (x *usage) forget(now time.Time) {
	old := 0
	for old < len(x.recent) && now.Sub(x.recent[old]) >= time.Minute {
		old++
	}
	x.recent = append(x.recent[:0], x.recent[old:]...)
	if midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()); !midnight.Equal(x.day) {
		x.day, x.today = midnight, 0
	}
	live := x.live[:0]
	for _, c := range x.live {
		if !c.Over() {
			live = append(live, c)
		}
	}
	clear(x.live[len(live):])
	x.live = live
}

// sweep forgets users; u.mu is held.
func (u *usages) sweep(now time.Time) {
	u.placed = 0
	for user, x := range u.of {
		x.forget(now)
		if x.today == 0 && len(x.live)+len(x.recent) == 0 {
			delete(u.of, user)
		}
	}
}
