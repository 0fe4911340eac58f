// Package engine runs calls: it feeds each call its events, one at a time in the
// order in which they came, and performs the effects.
//
// No goroutine belongs to a call. Whoever brings an event to a call that is idle
// runs it to the end of its inbox; everybody else leaves the event there and goes.
// Nothing is performed under a lock. The engine decides nothing: package call does.
package engine

import (
	"context"
	"hash/maphash"
	"iter"
	"log/slog"
	"sync"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/timing"
)

// Signaller opens the signalling of a call.
type Signaller interface {
	// Open makes the line of a call. Whatever happens on it is given to r.Post, from
	// any goroutine.
	Open(r *Running) Line
}

// Line performs the signalling effects of one call. Its methods but Dialog are called
// one at a time and must not block.
type Line interface {
	Invite(call.Invite)
	Cancel(call.Cancel)
	Ack(call.Ack)
	Prack(call.Prack)
	Reinvite(call.Reinvite)
	Refer(call.Refer)
	Bye(call.Bye)
	Respond(call.Respond)
	Forward(call.Forward)
	Ping(call.Ping)
	Release(call.Release)
	// Save adds to b what Restore needs to go on with the legs in another process.
	Save(b []byte) []byte
	// Restore makes the legs of a call that was saved age ago, as the call has them. Nothing
	// is sent.
	Restore(c *call.Call, saved []byte, age time.Duration) error
	// Reach takes up what is under way on restored legs.
	Reach()
	// Unanswered tells on which of them the phone waits for our first ACK.
	Unanswered() [call.NumLegs]bool
	// Dialog names the dialog of a leg, false before there is one. It may be called at
	// any time.
	Dialog(call.Leg) (call.DialogID, bool)
}

// Recorder is told of what becomes of calls, one thing at a time for each call, on the
// goroutine that runs it. It must not block.
type Recorder interface {
	// Changed is told of a step that has changed a call, before its effects are performed.
	// With first, they are such that nobody could undo them after a crash if it were not
	// known of them; then true says that the call has to wait until r.GoOn is called.
	Changed(r *Running, old, c *call.Call, first bool) (wait bool)
	// Performed is told that a call which has waited has done what it had to do.
	Performed(r *Running, c *call.Call)
	// Forgotten is told that nobody asks any more for a call that is over.
	Forgotten(r *Running)
}

// Engine runs calls. Use New.
type Engine struct {
	signaller Signaller
	wheel     *timing.Wheel
	log       *slog.Logger
	seed      maphash.Seed
	shard     [64]shard
	idle      idle
	habits    habits
	rooms     sync.Pool // of *[]call.Effect
	recorder  Recorder  // nil for none
}

type shard struct {
	mu   sync.RWMutex
	m    map[call.ID]*Running
	most int // calls that m has held at once
}

// roomy is the number of calls from which on the room of a shard is given back when
// it is empty: a map never shrinks.
const roomy = 32

// New makes an engine without calls.
func New(s Signaller, w *timing.Wheel, log *slog.Logger) *Engine {
	e := &Engine{signaller: s, wheel: w, log: log, seed: maphash.MakeSeed()}
	for i := range e.shard {
		e.shard[i].m = make(map[call.ID]*Running)
	}
	return e
}

// Record sets who is told of changes; before the first call.
func (e *Engine) Record(r Recorder) { e.recorder = r }

func (e *Engine) of(id call.ID) *shard {
	return &e.shard[maphash.String(e.seed, string(id))%uint64(len(e.shard))]
}

// Add takes a new call in. It does nothing until it is given call.Start.
func (e *Engine) Add(c call.Call) *Running {
	r := &Running{engine: e}
	if h := e.habits.of(c.Order.Caller.URI); h != (habit{}) {
		c.Prefer(h.offer)
		if h.noRefer {
			c.NoRefer()
		}
	}
	r.snapshot.Store(&c)
	r.line = e.signaller.Open(r)
	e.insert(r)
	return r
}

func (e *Engine) insert(r *Running) {
	id := r.ID()
	s := e.of(id)
	s.mu.Lock()
	s.m[id] = r
	s.most = max(s.most, len(s.m))
	s.mu.Unlock()
	e.idle.add()
}

// Find gives a call that is not over.
func (e *Engine) Find(id call.ID) (*Running, bool) {
	s := e.of(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.m[id]
	return r, ok
}

// All gives the calls that are not over, in no order. Calls that come and go meanwhile may
// be in it or not.
func (e *Engine) All() iter.Seq[*Running] {
	return func(yield func(*Running) bool) {
		for i := range e.shard {
			for _, r := range e.shard[i].list() {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (s *shard) list() []*Running {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Running, 0, len(s.m))
	for _, r := range s.m {
		all = append(all, r)
	}
	return all
}

// remove forgets a call that is over.
func (e *Engine) remove(id call.ID) {
	s := e.of(id)
	s.mu.Lock()
	_, there := s.m[id]
	delete(s.m, id)
	if len(s.m) == 0 && s.most > roomy {
		s.m, s.most = make(map[call.ID]*Running), 0
	}
	s.mu.Unlock()
	if there {
		e.idle.remove()
	}
}

// Len is the number of calls that are not over.
func (e *Engine) Len() int { return e.idle.len() }

// HangupAll asks every call to end.
func (e *Engine) HangupAll(by string) {
	for r := range e.All() {
		r.Post(call.Hangup{By: by})
	}
}

// Wait returns when no call is left, or with ctx's error.
func (e *Engine) Wait(ctx context.Context) error { return e.idle.wait(ctx) }
