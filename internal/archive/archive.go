// Package archive shows calls that are over, so that whoever has placed one by the JSON
// interface learns how it ended: for a while from memory, and for as long as the journal
// keeps them from there, if there is one. It starts no goroutine: what is too old is
// forgotten when the next call ends.
package archive

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/chronicle"
)

// Archive has the last calls that have ended. Use New.
type Archive struct {
	most int
	age  time.Duration

	known atomic.Pointer[known] // nil without Open

	mu    sync.Mutex
	byID  map[call.ID]*call.Call
	order []*call.Call // those of byID, the one that ended first in front
}

// New makes an archive of so many calls at most, each for so long.
func New(most int, age time.Duration) *Archive {
	return &Archive{most: most, age: age, byID: map[call.ID]*call.Call{}}
}

// Add takes in a call that has just ended. It must not be changed any more.
func (a *Archive) Add(c *call.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byID[c.ID] = c
	a.order = append(a.order, c)
	a.forget(c.Ended)
}

// forget leaves out what is too old at that moment, or too much; a.mu is held.
func (a *Archive) forget(now call.Stamp) {
	oldest := now - call.Stamp(a.age.Milliseconds())
	n := 0
	for n < len(a.order) && (len(a.order)-n > a.most || a.order[n].Ended < oldest) {
		delete(a.byID, a.order[n].ID)
		n++
	}
	if n > 0 {
		clear(a.order[copy(a.order, a.order[n:]):])
		a.order = a.order[:len(a.order)-n]
	}
}

// Find gives a call that is over, or false when there is none (any more).
func (a *Archive) Find(ctx context.Context, id call.ID) (api.Call, bool) {
	a.mu.Lock()
	c, ok := a.byID[id]
	a.mu.Unlock()
	if ok && c.Ended >= call.StampOf(time.Now().Add(-a.age)) {
		found := chronicle.CallOf(c, func(call.Leg) (call.DialogID, bool) { return call.DialogID{}, false })
		found.Legs = nil // Whatever is left of them only waits to be confirmed.
		return found, true
	}
	if k := a.known.Load(); k != nil {
		return k.find(ctx, id)
	}
	return api.Call{}, false
}
