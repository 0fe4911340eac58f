package engine

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/timing"
)

// maxInbox bounds the events that wait for one call. A phone that floods its own
// call loses events of that call and nothing else.
const maxInbox = 256

// Running is a call that the engine runs, or ran: its snapshot stays readable when
// the call is over.
type Running struct {
	engine   *Engine
	line     Line
	snapshot atomic.Pointer[call.Call]
	changed  atomic.Pointer[chan struct{}] // closed by wake; nil while nobody waits

	mu        sync.Mutex
	busy      bool          // somebody works events off, or the call waits
	over      bool          // no event is taken any more
	forgotten bool          // see Forget
	told      atomic.Uint32 // see Told
	inbox     *inbox        // nil when nothing waits: most events find the call idle

	held atomic.Pointer[[]call.Effect] // what GoOn is to perform; nil when the call does not wait

	timers [call.NumSlots]*timing.Timer // nil for one that was never started, or stopped
}

// inbox are the events that have come while another one was worked off.
type inbox struct {
	events []call.Event
	next   int // the one that is taken next
}

// len is how many events wait.
func (i *inbox) len() int {
	if i == nil {
		return 0
	}
	return len(i.events) - i.next
}

// take gives the next event; there is one.
func (i *inbox) take() call.Event {
	ev := i.events[i.next]
	i.events[i.next] = nil
	i.next++
	if i.next == maxInbox {
		n := copy(i.events, i.events[i.next:])
		clear(i.events[n:])
		i.events, i.next = i.events[:n], 0
	}
	return ev
}

// ID is that of the call.
func (r *Running) ID() call.ID { return r.Snapshot().ID }

// Order is what was asked for.
func (r *Running) Order() *call.Order { return r.Snapshot().Order }

// Dialog names the dialog of a leg, false before there is one.
func (r *Running) Dialog(l call.Leg) (call.DialogID, bool) { return r.line.Dialog(l) }

// Told is how many events were told of the call.
func (r *Running) Told() uint64 { return uint64(r.told.Load()) }

// Tell counts one more; for the Recorder only.
func (r *Running) Tell() uint64 { return uint64(r.told.Add(1)) }

// Snapshot is the call as the last step left it. It must not be changed.
func (r *Running) Snapshot() *call.Call { return r.snapshot.Load() }

// Over tells that the call is over: see call.Call.Over.
func (r *Running) Over() bool { return r.Snapshot().Over() }

func (r *Running) publish(c *call.Call) {
	r.snapshot.Store(c)
	r.wake()
}

// wake has those look again who Await something.
func (r *Running) wake() {
	if ch := r.changed.Swap(nil); ch != nil {
		close(*ch)
	}
}

// Await returns when the call is as ok wants it, or with ctx's error. It looks after every
// step, and when a call that Waits goes on.
func (r *Running) Await(ctx context.Context, ok func(*call.Call) bool) error {
	if ok(r.Snapshot()) {
		return nil
	}
	for {
		next := make(chan struct{})
		if !r.changed.CompareAndSwap(nil, &next) {
			if p := r.changed.Load(); p != nil {
				next = *p
			} else {
				continue
			}
		}
		if ok(r.Snapshot()) {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Post gives the call an event. It returns at once when somebody else is just
// working for this call, else when the inbox is empty. False means that the event
// was not taken: the call is over, or its inbox is full.
func (r *Running) Post(ev call.Event) bool {
	r.mu.Lock()
	if r.over || r.inbox.len() >= maxInbox {
		r.mu.Unlock()
		return false
	}
	if r.busy {
		if r.inbox == nil {
			r.inbox = new(inbox)
		}
		r.inbox.events = append(r.inbox.events, ev)
		r.mu.Unlock()
		return true
	}
	r.busy = true
	r.mu.Unlock()
	r.run(ev)
	return true
}

// run works off an event and all that wait, unless the call has to wait itself.
func (r *Running) run(ev call.Event) {
	for ok := true; ok; ev, ok = r.take() {
		if r.step(ev) {
			return
		}
	}
}

// take gives the next event; false when there is none, and the call is idle.
func (r *Running) take() (ev call.Event, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inbox.len() == 0 {
		r.busy, r.inbox = false, nil // A standing call keeps no room that it needed once.
		return nil, false
	}
	return r.inbox.take(), true
}

// step moves the call by one event, publishes it, and performs the effects, unless they
// have to wait: then GoOn does. A panic ends this call and no other.
func (r *Running) step(ev call.Event) (waits bool) {
	defer r.guard()
	old := r.snapshot.Load()
	room := r.engine.room()
	c, effects := call.Step(*old, ev, (*room)[:0])
	*room = effects
	stamp(old, &c)
	r.publish(&c)
	r.tell(old, &c)
	if h := habitOf(&c); c.Answered() && (!old.Answered() || h != habitOf(old)) {
		r.engine.habits.note(c.Order.Caller.URI, h)
	}
	if r.hasToWait(old, &c, room) {
		return true
	}
	r.conclude(&c, room)
	return false
}

// guard ends the call of a step that panicked.
func (r *Running) guard() {
	if p := recover(); p != nil {
		r.abandon(p)
	}
}

// conclude performs the effects of a step.
func (r *Running) conclude(c *call.Call, room *[]call.Effect) {
	for _, f := range *room {
		r.perform(f)
	}
	r.engine.giveBack(room)
	if c.Over() {
		r.finish()
	}
}

// stamp notes when a call has come to where it is.
func stamp(old, c *call.Call) {
	if c.State == old.State {
		return
	}
	switch c.State {
	case call.Connected, call.HandedOff:
		if c.Connected == 0 {
			c.Connected = call.StampOf(time.Now())
		}
	case call.Ended:
		c.Ended = call.StampOf(time.Now())
		if c.Outcome.Result == call.Completed && c.Connected == 0 {
			c.Connected = c.Ended // The phone told it in its last word.
		}
	default: // On its way.
	}
}

// room gives a slice for the effects of one step.
func (e *Engine) room() *[]call.Effect {
	if r, ok := e.rooms.Get().(*[]call.Effect); ok {
		return r
	}
	r := make([]call.Effect, 0, 8)
	return &r
}

// giveBack takes the slice again, without what was in it.
func (e *Engine) giveBack(r *[]call.Effect) {
	clear(*r)
	e.rooms.Put(r)
}

// tell logs a change of state, and of an end why. On the way to a conversation that is for
// those only who look closer: every call has these lines.
func (r *Running) tell(old, c *call.Call) {
	if c.State == old.State {
		return
	}
	ctx, id := context.Background(), slog.String("call", string(c.ID))
	if o := &c.Outcome; c.State == call.Ended {
		r.engine.log.LogAttrs(ctx, slog.LevelInfo, "call ended", id, slog.String("result", string(o.Result)), slog.Int("sip_code", o.SIPCode),
			slog.String("failed_leg", o.Failed()), slog.String("ended_by", o.EndedBy))
		return
	}
	level := slog.LevelDebug
	if c.State == call.Connected || c.State == call.HandedOff || c.State == call.Transferring {
		level = slog.LevelInfo
	}
	r.engine.log.LogAttrs(ctx, level, "call", id, slog.String("state", string(c.State)))
}

// finish lets go of a call that is over.
func (r *Running) finish() {
	for slot := range r.timers {
		r.stopTimer(slot)
	}
	r.mu.Lock()
	r.over = true
	forgotten := r.forgotten
	r.mu.Unlock()
	r.engine.remove(r.ID())
	if forgotten && r.engine.recorder != nil {
		r.engine.recorder.Forgotten(r)
	}
}

// Forget tells that nobody will ask for the call when it is over.
func (r *Running) Forget() {
	r.mu.Lock()
	told := r.forgotten
	r.forgotten = true
	over := r.over
	r.mu.Unlock()
	if over && !told && r.engine.recorder != nil {
		r.engine.recorder.Forgotten(r)
	}
}

// abandon ends a call whose step panicked, as well as that can be done.
func (r *Running) abandon(cause any) {
	old := r.snapshot.Load()
	c := *old
	r.engine.log.Error("panic in a call: it is ended", "call", string(c.ID), "panic", cause, "stack", string(debug.Stack()))
	c.State, c.CallerLeg = call.Ended, call.Terminated
	c.Outcome = call.Outcome{Result: call.Failed, EndedBy: call.ByServer}
	stamp(old, &c)
	r.publish(&c)
	defer func() {
		if p := recover(); p != nil {
			r.engine.log.Error("panic while ending a call", "call", string(c.ID), "panic", p)
		}
	}()
	if r.engine.recorder != nil {
		r.engine.recorder.Changed(r, old, &c, false)
	}
	r.finish()
	for _, l := range []call.Leg{call.Caller, call.Callee, call.Target} {
		r.line.Cancel(call.Cancel{Leg: l})
		r.line.Ack(call.Ack{Leg: l, Body: call.Refusal})
		r.line.Bye(call.Bye{Leg: l, Cause: call.Cause{Status: 500}})
		r.line.Release(call.Release{Leg: l})
	}
}
