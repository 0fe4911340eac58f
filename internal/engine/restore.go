package engine

import (
	"time"

	"callcontroller/internal/call"
)

// Saved is a call as another process has left it.
type Saved struct {
	Call call.Call
	Legs []byte        // what Save of the Running has given
	Age  time.Duration // since then
	Told uint64        // how many events were told of it
}

// Save adds to b what Restore needs of the legs. Only the Recorder may ask for it, while
// it is told of a change.
func (r *Running) Save(b []byte) []byte { return r.line.Save(b) }

// Restore takes a call in that was saved. One that is over stays what it is; another one
// does nothing until it is given to Resume. Once any call was resumed, none is restored.
func (e *Engine) Restore(s *Saved) (*Running, error) {
	r := &Running{engine: e}
	r.snapshot.Store(&s.Call)
	r.told.Store(uint32(s.Told)) //nolint:gosec // as Tell has counted
	r.line = e.signaller.Open(r)
	if s.Call.Over() {
		r.over = true
		return r, nil
	}
	if err := r.line.Restore(&s.Call, s.Legs, s.Age); err != nil {
		return nil, err
	}
	e.insert(r)
	return r, nil
}

// Resume lets a call go on that was restored, when messages can be sent and have not
// been received yet, or just now.
func (e *Engine) Resume(r *Running) {
	if r.Over() {
		return
	}
	c := r.Snapshot()
	ev := call.Restored{Unanswered: r.line.Unanswered()}
	if c.Connected != 0 {
		ev.Talked = max(0, time.Since(c.Connected.Time())) // The clock may have been set back.
	}
	r.Post(ev)
	r.line.Reach()
}
