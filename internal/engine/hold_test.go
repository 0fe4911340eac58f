package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"callcontroller/internal/call"
)

// notary is a Recorder. A call that has to wait does so until it is let go on.
type notary struct {
	wait func(first bool) bool

	mu   sync.Mutex
	told []string
}

func (n *notary) note(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, what)
}

func (n *notary) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.told, ", ")
}

func (n *notary) Changed(_ *Running, old, c *call.Call, first bool) bool {
	waits := n.wait(first)
	n.note(fmt.Sprintf("%s>%s first=%t", old.State, c.State, first))
	return waits
}

func (n *notary) Performed(*Running, *call.Call) { n.note("performed") }
func (n *notary) Forgotten(*Running)             { n.note("forgotten") }

// TestCallWaitsForItsRecorder: the INVITE leaves when the recorder has let the call go on,
// and what has come meanwhile is taken after it.
func TestCallWaitsForItsRecorder(t *testing.T) {
	b := newBench(t, nil)
	n := &notary{wait: func(first bool) bool { return first }}
	b.Record(n)
	r, line := b.add("a")
	r.Post(call.Start{})
	r.Post(call.Hangup{By: call.ByAgent})
	if got := line.effects(); len(got) != 0 || !r.Waits() || r.Snapshot().State != call.CallingCaller {
		t.Fatalf("a call that waits is %s and has done %v", r.Snapshot().State, got)
	}
	r.GoOn()
	if got := strings.Join(line.effects(), " "); got != "INVITE CANCEL" || r.Waits() {
		t.Errorf("effects %s, want INVITE CANCEL", got)
	}
	r.GoOn()
	if got := strings.Join(line.effects(), " "); got != "INVITE CANCEL" {
		t.Errorf("a second GoOn leads to %s", got)
	}
	want := "queued>calling_caller first=true, performed, calling_caller>calling_caller first=false"
	if got := n.all(); got != want {
		t.Errorf("the recorder was told\n%s, want\n%s", got, want)
	}
}

// TestCallNeedNotWait: a recorder that does not know when it could write holds nobody.
func TestCallNeedNotWait(t *testing.T) {
	b := newBench(t, nil)
	b.Record(&notary{wait: func(bool) bool { return false }})
	r, line := b.add("a")
	r.Post(call.Start{})
	if got := strings.Join(line.effects(), " "); got != "INVITE" || r.Waits() {
		t.Errorf("effects %s, waits %t", got, r.Waits())
	}
	r.GoOn() // Comes late, and for nothing.
	if got := strings.Join(line.effects(), " "); got != "INVITE" {
		t.Errorf("effects %s", got)
	}
}

// TestPanicAfterWait: what a call does that has waited is guarded like any step.
func TestPanicAfterWait(t *testing.T) {
	b := newBench(t, func(_ *fakeLine, effect string) {
		if effect == "INVITE" {
			panic("a bug")
		}
	})
	b.Record(&notary{wait: func(first bool) bool { return first }})
	r, _ := b.add("a")
	r.Post(call.Start{})
	r.GoOn()
	if c := r.Snapshot(); c.State != call.Ended || b.Len() != 0 || r.Post(call.Hangup{}) {
		t.Errorf("after a panic the call is %s, %d live", c.State, b.Len())
	}
}

// TestForgottenOnce: that nobody asks for a call any more is told once, when it is over,
// in whichever order these two come.
func TestForgottenOnce(t *testing.T) {
	for _, early := range []bool{true, false} {
		b := newBench(t, nil)
		n := &notary{wait: func(bool) bool { return false }}
		b.Record(n)
		r, _ := b.add("a")
		r.Post(call.Start{})
		if early {
			r.Forget()
		}
		r.Post(call.Rejected{Response: response(486)})
		r.Forget()
		r.Forget()
		if got := strings.Count(n.all(), "forgotten"); got != 1 || !strings.HasSuffix(n.all(), "forgotten") {
			t.Errorf("early %t: the recorder was told %s", early, n.all())
		}
	}
}

// TestWaitLaw: however GoOn and events from elsewhere come, no effect is performed before
// the recorder knows of its step, and all of them are in the end, in the order of the steps.
func TestWaitLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		waits := rapid.SliceOfN(rapid.Bool(), 8, 8).Draw(rt, "waits")
		b := newBench(t, nil)
		i, ready := 0, make(chan struct{}, 8)
		b.Record(&notary{wait: func(first bool) bool {
			w := first && waits[i%len(waits)]
			i++
			if w {
				ready <- struct{}{}
			}
			return w
		}})
		r, line := b.add("a")
		var letting sync.WaitGroup
		letting.Go(func() {
			for range ready {
				r.GoOn()
			}
		})
		events := []call.Event{
			call.Start{},
			call.Progress{Response: response(180)},
			call.Answered{Response: response(200)},
			call.Referred{Response: response(202)},
			call.Hangup{},
			call.Released{},
		}
		for _, ev := range events {
			r.Post(ev)
		}
		if err := b.Wait(t.Context()); err != nil {
			rt.Fatal(err)
		}
		close(ready)
		letting.Wait()
		if got := strings.Join(line.effects(), " "); got != "INVITE ACK REFER BYE release" {
			rt.Fatalf("effects %s", got)
		}
	})
}

// TestAwaitsThatItGoesOn: who waits until a call need not wait for the recorder is told
// when it goes on, though no other event comes.
func TestAwaitsThatItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.Record(&notary{wait: func(first bool) bool { return first }})
		r, line := b.add("a")
		r.Post(call.Start{})
		done := make(chan error, 1)
		go func() {
			done <- r.Await(t.Context(), func(*call.Call) bool { return !r.Waits() })
		}()
		synctest.Wait()
		r.GoOn()
		synctest.Wait()
		select {
		case err := <-done:
			if got := strings.Join(line.effects(), " "); err != nil || got != "INVITE" {
				t.Errorf("effects %s, error %v", got, err)
			}
		default:
			t.Error("nobody is told that the call goes on")
		}
	})
}
