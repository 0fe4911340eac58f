package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/engine"
)

// back is by how much the clock was set back between two processes.
const back = time.Hour

// restored takes the last call of a lab into another one, as a process does whose clock
// was set back since that call was written down.
func restored(t *testing.T, from *controltest.Lab) (*controltest.Lab, *engine.Running) {
	t.Helper()
	before, _ := from.Engine.Find(from.Signals.Last().ID)
	c := *before.Snapshot()
	order := *c.Order
	order.Placed = call.StampOf(order.Placed.Time().Add(back))
	c.Order = &order
	if c.Connected != 0 {
		c.Connected = call.StampOf(c.Connected.Time().Add(back))
	}
	l := controltest.New(t, nil)
	running, err := l.Engine.Restore(&engine.Saved{Call: c, Age: -back})
	if err != nil {
		t.Fatal(err)
	}
	l.Restore(running)
	l.Engine.Resume(running)
	return l, running
}

// TestX12RowsAreNotKeptLonger: what is asked for ten seconds is not shown for an hour,
// since the clock was set back.
func TestX12RowsAreNotKeptLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := controltest.New(t, nil)
		mustPlace(t, first, user201, request(func(r *control.PlaceRequest) { r.Keep = 10 * time.Second }))
		l, _ := restored(t, first)
		l.Signals.Last().Reject(486, "Busy Here")
		if _, ok := shown(t, l); !ok {
			t.Error("the call is not shown")
		}
		time.Sleep(10 * time.Second)
		if _, ok := shown(t, l); ok {
			t.Error("the record outlives its time")
		}
	})
}

// TestX12CallsDoNotLastLonger: what may last a minute does not last an hour more, since
// the clock was set back.
func TestX12CallsDoNotLastLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := controltest.New(t, nil)
		mustPlace(t, first, user201, request(func(r *control.PlaceRequest) { r.Method, r.MaxDuration = control.MethodInvite, time.Minute }))
		first.Signals.Last().AnswerOn(call.Caller)
		first.Signals.Last().AnswerOn(call.Callee)
		_, running := restored(t, first)
		time.Sleep(time.Minute - time.Millisecond)
		synctest.Wait()
		if c := running.Snapshot(); c.State != call.Connected {
			t.Errorf("the call is %s before its time is over", c.State)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if c := running.Snapshot(); !c.Over() {
			t.Errorf("the call is %s after its time", c.State)
		}
	})
}
