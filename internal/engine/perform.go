package engine

import (
	"math/rand/v2"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/timing"
)

// perform is the one switch over effects.
func (r *Running) perform(f call.Effect) {
	switch f := f.(type) {
	case call.Invite:
		r.line.Invite(f)
	case call.Cancel:
		r.line.Cancel(f)
	case call.Ack:
		r.line.Ack(f)
	case call.Prack:
		r.line.Prack(f)
	case call.Reinvite:
		r.line.Reinvite(f)
	case call.Refer:
		r.line.Refer(f)
	case call.Bye:
		r.line.Bye(f)
	case call.Respond:
		r.line.Respond(f)
	case call.Forward:
		r.line.Forward(f)
	case call.Ping:
		r.line.Ping(f)
	case call.Release:
		r.line.Release(f)
	case call.StartTimer:
		r.startTimer(f)
	case call.StopTimer:
		r.stopTimer(f.Timer.Slot())
	}
}

func (r *Running) startTimer(f call.StartTimer) {
	t := &r.timers[f.Timer.Slot()]
	if *t == nil {
		*t = new(timing.Timer)
	}
	start := r.engine.wheel.Start
	if f.Timer == call.KeepTimer {
		start = r.engine.wheel.StartAbout // Nobody waits for it, and every standing call has one.
	}
	start(*t, f.After+spread(f.Spread), r, uint8(f.Timer))
}

// stopTimer gives the room back: a standing call may have no deadline at all.
func (r *Running) stopTimer(slot int) {
	if t := r.timers[slot]; t != nil {
		r.engine.wheel.Stop(t)
		r.timers[slot] = nil
	}
}

// spread gives a random part of d, in steps of 10 ms (RFC 3261 section 14.1).
func spread(d time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	return rand.N(d + step).Truncate(step)
}

// Fired implements timing.Owner: a deadline is an event like any other.
func (r *Running) Fired(id uint8) { r.Post(call.TimerFired{Timer: call.Timer(id)}) }
