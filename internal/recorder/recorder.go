// Package recorder owns the way of calls into the journal and back: what becomes of each
// call is one entry a step, with the events for those who listen and with what it takes
// to go on after a crash. It decides nothing about calls.
//
// The SIP path does not wait for the journal but in two places, where a crash would leave
// a phone that nobody could ever hang up: before an INVITE leaves, and before the ACK that
// makes a dialog stand: until the journal says that they are secure, which is when its
// files have them; the log itself may come later. A journal that does not answer within
// Patience is not waited for; then a crash may lose these calls.
//
// Goroutines: one for a moment when a call goes on that has waited.
package recorder

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/chronicle"
	"callcontroller/internal/engine"
	"callcontroller/internal/journal"
	"callcontroller/internal/pack"
	"callcontroller/internal/timing"
)

// Patience is how long a call waits for the journal: phones wait for an ACK longer.
const Patience = 2 * time.Second

// Journal is what the recorder needs of package journal.
type Journal interface {
	Append(e journal.Entry, done func(journal.Position, error)) error
	Secure(safe func())
	SecureNow() bool
	Health() error
}

// Archive shows calls that have ended.
type Archive interface {
	// Add takes in a call that has just ended, which must not be changed.
	Add(c *call.Call)
	// Stored is told where the end of a call is in the journal.
	Stored(id call.ID, p journal.Position)
}

// Recorder implements engine.Recorder. Use New.
type Recorder struct {
	journal Journal // nil: nothing is recorded
	archive Archive
	log     *slog.Logger
	queue   queue
	rooms   sync.Pool // of *[]byte
	lost    atomic.Uint64
}

// New makes a Recorder; without a journal it only keeps the archive.
func New(j Journal, a Archive, w *timing.Wheel, log *slog.Logger) *Recorder {
	r := &Recorder{journal: j, archive: a, log: log}
	r.queue.wheel = w
	return r
}

// Lost is how many entries the journal has refused.
func (r *Recorder) Lost() uint64 { return r.lost.Load() }

// Changed implements engine.Recorder.
func (r *Recorder) Changed(running *engine.Running, old, c *call.Call, first bool) (wait bool) {
	if c.State == call.Ended && old.State != call.Ended {
		r.archive.Add(c)
	}
	if r.journal == nil {
		return false
	}
	var few [4]chronicle.Change
	changes := chronicle.ChangesOf(old, c, few[:0])
	if len(changes) == 0 && !worth(old, c) {
		return false
	}
	if !first || r.journal.Health() != nil {
		r.record(running, c, changes)
		return false
	}
	if !r.record(running, c, changes) {
		return false
	}
	if old.State == call.Queued && r.journal.SecureNow() { // who places a call may wait for the disk
		return false
	}
	r.journal.Secure(r.queue.add(running).safe)
	return true
}

// worth tells whether a step without events is to be known after a crash. That one of
// several legs of an ended call has gone is not.
func worth(old, c *call.Call) bool {
	if c.State == call.Ended && old.State == call.Ended {
		return c.Over()
	}
	return c.Matters(old)
}

// record appends the entries of a step, and tells whether the last was taken.
func (r *Recorder) record(running *engine.Running, c *call.Call, changes []chronicle.Change) (taken bool) {
	state, data, shown := r.room(), r.room(), r.room()
	defer r.rooms.Put(state)
	defer r.rooms.Put(data)
	defer r.rooms.Put(shown)
	*state = running.Save(pack.String((*state)[:0], c.Save((*data)[:0])))
	now := time.Now()
	e := journal.Entry{Call: string(c.ID), Agent: c.Order.Agent.User, Time: now, State: *state}
	if len(changes) == 0 {
		e.Seq = running.Told()
		return r.append(&e, nil)
	}
	w := chronicle.NewWriter(*shown, c, running.Dialog, now)
	for _, change := range changes {
		e.Event, e.Seq = change.Type, running.Told()+1
		*data = w.Append((*data)[:0], change, e.Seq)
		e.Data = *data
		if taken = r.append(&e, r.then(c, change)); taken {
			running.Tell()
		}
	}
	return taken
}

// then is what is to be done when an event of a step is stored: nil for nothing.
func (r *Recorder) then(c *call.Call, change chronicle.Change) func(journal.Position, error) {
	if change.Type != api.CallEnded {
		return nil
	}
	return func(p journal.Position, err error) {
		if err == nil {
			r.archive.Stored(c.ID, p)
		}
	}
}

func (r *Recorder) room() *[]byte {
	if b, ok := r.rooms.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 2048)
	return &b
}

func (r *Recorder) append(e *journal.Entry, done func(journal.Position, error)) bool {
	err := r.journal.Append(*e, done)
	if err == nil {
		return true
	}
	if n := r.lost.Add(1); n&(n-1) == 0 { // The first, the second, the fourth: not each of thousands.
		r.log.Warn("the journal takes no entry", "call", e.Call, "event", e.Event, "entries_lost", n, "error", err)
	}
	return false
}

// Refused tells of a call that was never begun.
func (r *Recorder) Refused(c *call.Call) {
	if r.journal == nil {
		return
	}
	now := time.Now()
	w := chronicle.NewWriter(nil, c, func(call.Leg) (call.DialogID, bool) { return call.DialogID{}, false }, now)
	change := chronicle.Change{Type: api.CallRefused}
	e := journal.Entry{Call: string(c.ID), Seq: 1, Event: change.Type, Agent: c.Order.Agent.User, Time: now, Data: w.Append(nil, change, 1), Final: true}
	r.append(&e, func(p journal.Position, err error) {
		if err == nil {
			r.archive.Stored(c.ID, p)
		}
	})
}

// Performed implements engine.Recorder. A call that stands now may stand for hours: that
// its dialogs have their ACKs is to be known soon.
func (r *Recorder) Performed(running *engine.Running, c *call.Call) {
	if c.State == call.Connected && r.record(running, c, nil) {
		r.journal.Secure(nil)
	}
}

// Forgotten implements engine.Recorder.
func (r *Recorder) Forgotten(running *engine.Running) {
	if r.journal == nil {
		return
	}
	r.append(&journal.Entry{Call: string(running.ID()), Seq: running.Told(), Agent: running.Order().Agent.User, Final: true}, nil)
}
