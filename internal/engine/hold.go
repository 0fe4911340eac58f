package engine

import (
	"slices"

	"callcontroller/internal/call"
)

// A call that waits for its Recorder is busy: its events queue up, and nobody runs them
// until GoOn. No goroutine waits for it.

// hasToWait tells the Recorder, if there is one, and whether GoOn performs the effects.
func (r *Running) hasToWait(old, c *call.Call, room *[]call.Effect) bool {
	if r.engine.recorder == nil {
		return false
	}
	first := slices.ContainsFunc(*room, binds)
	if first {
		r.held.Store(room) // Before GoOn can be called.
	}
	if r.engine.recorder.Changed(r, old, c, first) {
		return true
	}
	if first {
		r.held.Store(nil)
		r.wake()
	}
	return false
}

// binds tells the effects of which has to be known before they are performed: with an
// INVITE a phone rings, with an ACK a dialog stands that only we can end, and who was put
// on hold hears nothing until we say so.
func binds(f call.Effect) bool {
	switch f := f.(type) {
	case call.Invite, call.Ack:
		return true
	case call.Reinvite:
		return f.Body == call.HeldSDP
	default:
		return false
	}
}

// GoOn lets a call go on that waits. It performs what the call has to do.
func (r *Running) GoOn() {
	room := r.held.Swap(nil)
	if room == nil {
		return
	}
	r.resume(room)
	if ev, ok := r.take(); ok {
		r.run(ev)
	}
}

func (r *Running) resume(room *[]call.Effect) {
	defer r.guard()
	c := r.Snapshot()
	r.conclude(c, room)
	r.wake()
	r.engine.recorder.Performed(r, c)
}

// Waits tells that the call waits for the Recorder.
func (r *Running) Waits() bool { return r.held.Load() != nil }
