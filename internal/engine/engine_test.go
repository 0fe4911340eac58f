package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
)

// TestOrder posts to one call from many goroutines: the events of each are taken in
// their order, one at a time, and the effects follow the events.
func TestOrder(t *testing.T) {
	b := newBench(t, nil)
	r, line := b.add("a")
	referred(t, r)
	const posters, events = 8, 500
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range events {
				n := p*events + i + 1
				for !r.Post(notify(n, strconv.Itoa(n))) {
					runtime.Gosched() // The inbox is full.
				}
			}
		})
	}
	wg.Wait()
	var rows, answers []string
	for _, row := range r.Snapshot().Rows {
		if row.Method == call.ByNotify {
			rows = append(rows, row.Line)
		}
	}
	for _, did := range line.effects() {
		if n, ok := strings.CutPrefix(did, "respond "); ok {
			answers = append(answers, n)
		}
	}
	if len(rows) != posters*events || !slices.Equal(rows, answers) {
		t.Fatalf("%d rows, %d answers, want %d of each in the same order", len(rows), len(answers), posters*events)
	}
	var last [posters]int
	for _, row := range rows {
		n, _ := strconv.Atoi(row)
		if p := (n - 1) / events; n <= last[p] {
			t.Fatalf("poster %d: %d behind %d", p, n, last[p])
		} else {
			last[p] = n
		}
	}
}

// TestPostFromEffect: what an effect brings at once is taken when its step is done.
func TestPostFromEffect(t *testing.T) {
	b := newBench(t, func(l *fakeLine, effect string) {
		switch effect {
		case "INVITE":
			l.post(call.Progress{Response: response(180)})
			l.post(call.Answered{Response: response(200)})
		case "REFER":
			l.post(call.Referred{Response: response(603)})
		case "BYE":
			l.post(call.Released{})
		}
	})
	r, line := b.add("a")
	r.Post(call.Start{})
	if got, want := strings.Join(line.effects(), " "), "INVITE ACK REFER BYE release"; got != want {
		t.Errorf("effects %s, want %s", got, want)
	}
	if c := r.Snapshot(); c.State != call.Ended || b.Len() != 0 {
		t.Errorf("the call is %s, %d calls live", c.State, b.Len())
	}
}

// TestInboxBound: what waits for one call is bounded, and room is made as it is
// worked off.
func TestInboxBound(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t, func(_ *fakeLine, effect string) {
		if effect == "respond 1" {
			close(enter)
			<-leave
		}
	})
	r, _ := b.add("a")
	referred(t, r)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Post(notify(1, ""))
	}()
	<-enter
	taken := 0
	for r.Post(notify(2, "SIP/2.0 180 Ringing")) {
		taken++
	}
	if taken != maxInbox {
		t.Errorf("%d events were taken, want %d", taken, maxInbox)
	}
	close(leave)
	<-done
	if !r.Post(notify(3, "SIP/2.0 180 Ringing")) {
		t.Error("an empty inbox takes nothing")
	}
	if n := len(r.Snapshot().Rows); n != 1+maxInbox+1 {
		t.Errorf("%d rows", n)
	}
}

// TestInboxNeverEmpty: only events that wait count; a call that is kept busy takes
// any number of them.
func TestInboxNeverEmpty(t *testing.T) {
	const events = 10 * maxInbox
	b := newBench(t, func(l *fakeLine, effect string) {
		n, ok := strings.CutPrefix(effect, "respond ")
		if i, _ := strconv.Atoi(n); ok && i < events && !l.post(notify(i+1, "")) {
			panic("event " + n + " was not taken")
		}
	})
	r, line := b.add("a")
	referred(t, r)
	r.Post(notify(1, ""))
	did := line.effects()
	if got := did[len(did)-1]; got != fmt.Sprint("respond ", events) {
		t.Errorf("the last effect is %q\n%s", got, b.log)
	}
	if r.inbox != nil {
		t.Errorf("the idle call keeps room for %d events", cap(r.inbox.events))
	}
}

// TestPanic: a fault in one call ends that call, tells it, and touches no other.
func TestPanic(t *testing.T) {
	b := newBench(t, func(l *fakeLine, effect string) {
		if l.id == "bad" && (effect == "REFER" || effect == "BYE") {
			panic("boom in " + effect)
		}
	})
	bad, badLine := b.add("bad")
	good, _ := b.add("good")
	good.Post(call.Start{})
	bad.Post(call.Start{})
	if !bad.Post(call.Answered{Response: response(200)}) {
		t.Error("the event that brought the panic was not taken")
	}
	c := bad.Snapshot()
	if want := (call.Outcome{Result: call.Failed, EndedBy: call.ByServer}); c.State != call.Ended || c.Outcome != want || !c.Over() {
		t.Errorf("the call is %s %+v", c.State, c.Outcome)
	}
	if got, want := strings.Join(badLine.effects(), " "), "INVITE ACK REFER CANCEL ACK BYE"; got != want {
		t.Errorf("effects %s, want %s", got, want)
	}
	if _, there := b.Find("bad"); there || b.Len() != 1 || bad.Post(call.Hangup{}) {
		t.Error("the engine still runs the call")
	}
	log := b.log.String()
	for _, want := range []string{"call=bad", "boom in REFER", "boom in BYE", "engine_test.go"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not tell %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "call=good panic") || good.Snapshot().State != call.CallingCaller {
		t.Error("the other call was touched")
	}
	if running := b.wheel.Running(); running != 1 {
		t.Errorf("%d timers run, want the ring timer of the good call", running)
	}
}

// TestPanicInStep: even a call that cannot be stepped ends. An event without an
// Order makes one.
func TestPanicInStep(t *testing.T) {
	b := newBench(t, nil)
	r, _ := b.add("a")
	broken := *r.Snapshot()
	broken.Order = nil
	r.snapshot.Store(&broken)
	r.Post(call.Start{})
	if c := r.Snapshot(); !c.Over() || b.Len() != 0 {
		t.Errorf("the call is %s, %d calls live", c.State, b.Len())
	}
}

// TestAfterTheEnd: a call that is over takes no event and is not found, but can be
// read.
func TestAfterTheEnd(t *testing.T) {
	b := newBench(t, nil)
	r, line := b.add("a")
	if found, ok := b.Find("a"); !ok || found != r {
		t.Error("a new call is not found")
	}
	r.Post(call.Start{})
	r.Post(call.Rejected{Response: response(486)})
	before := len(line.effects())
	for _, e := range []call.Event{call.Answered{Response: response(200)}, call.HungUp{}, call.TimerFired{}, call.Hangup{}} {
		if r.Post(e) {
			t.Errorf("%T was taken", e)
		}
	}
	if _, there := b.Find("a"); there || b.Len() != 0 || len(line.effects()) != before || b.wheel.Running() != 0 {
		t.Errorf("found %v, %d calls, effects %v, %d timers", there, b.Len(), line.effects(), b.wheel.Running())
	}
	if c := r.Snapshot(); c.Outcome.Result != call.Busy {
		t.Errorf("the snapshot shows %+v", c.Outcome)
	}
}

// TestHangupAllAndWait: a shut-down asks every call to end, and Wait returns when
// the last one has.
func TestHangupAllAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		if err := b.Wait(t.Context()); err != nil {
			t.Fatalf("Wait without a call: %v", err)
		}
		var all []*Running
		for i := range 200 {
			r, _ := b.add(call.ID(strconv.Itoa(i)))
			referred(t, r)
			all = append(all, r)
		}
		b.HangupAll(call.ByServer)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Wait with calls whose BYE is not answered: %v", err)
		}
		done := make(chan error)
		for range 2 {
			go func() { done <- b.Wait(t.Context()) }()
		}
		synctest.Wait()
		for i, r := range all {
			if b.Len() != len(all)-i {
				t.Fatalf("%d calls live, want %d", b.Len(), len(all)-i)
			}
			r.Post(call.Released{})
			if c := r.Snapshot(); c.Outcome.Result != call.Cancelled || c.Outcome.EndedBy != call.ByServer {
				t.Fatalf("call %d: %+v", i, c.Outcome)
			}
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestTimers: deadlines come as events, at their time, and not when they were taken
// back.
func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		rings, ringLine := b.add("rings")
		talks, _ := b.add("talks")
		rings.Post(call.Start{})
		referred(t, talks)
		time.Sleep(time.Minute - time.Millisecond)
		synctest.Wait()
		if got := len(ringLine.effects()); got != 1 {
			t.Errorf("effects before the deadline: %v", ringLine.effects())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Join(ringLine.effects(), " "); got != "INVITE CANCEL" {
			t.Errorf("effects behind the deadline: %s", got)
		}
		if c := talks.Snapshot(); c.Outcome.Result != call.Unknown {
			t.Errorf("no NOTIFY came for a minute: %s %+v", c.State, c.Outcome)
		}
		rings.Post(call.Rejected{Response: response(487)})
		talks.Post(call.Released{})
		if n := b.wheel.Running(); n != 0 {
			t.Errorf("%d timers run", n)
		}
	})
}

// TestHabitsAreBounded: phones are remembered up to a limit, the newest always.
func TestHabitsAreBounded(t *testing.T) {
	var o habits
	odd, usual := habit{offer: call.OfferNone}, habit{}
	for i := range 2 * maxHabits {
		uri := strconv.Itoa(i)
		o.note(uri, odd)
		if o.of(uri) != odd || len(o.m) > maxHabits {
			t.Fatalf("phone %d: %d are remembered", i, len(o.m))
		}
		if i%2 == 0 {
			o.note("even "+uri, usual)
		}
	}
	o.note("7", odd)
	o.note("7", usual)
	if o.of("7") != usual || len(o.m) != maxHabits-1 {
		t.Errorf("%d are remembered", len(o.m))
	}
}
