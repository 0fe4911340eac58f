package control_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
)

func shown(t *testing.T, l *controltest.Lab) (*call.Call, bool) {
	t.Helper()
	r, ok, err := l.Status(t.Context(), user201, control.StatusRequest{Calling: "201", Called: "202"})
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil, false
	}
	return r.Snapshot(), true
}

// inBubble runs a test in virtual time, and checks at its end that no record, call
// or timer is left.
func inBubble(t *testing.T, test func(*testing.T, *controltest.Lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := controltest.New(t, nil)
		test(t, l)
		if l.Records() != 0 || l.Engine.Len() != 0 || l.Wheel.Running() != 0 {
			t.Errorf("left: %d records, %d calls, %d timers", l.Records(), l.Engine.Len(), l.Wheel.Running())
		}
	})
}

// A record is there until its time is over (CONTRACT 5.8).
func TestRecordOutlivesTheCall(t *testing.T) {
	inBubble(t, func(t *testing.T, l *controltest.Lab) {
		mustPlace(t, l, user201, request(func(r *control.PlaceRequest) { r.Keep = 10 * time.Second }))
		l.Signals.Last().Reject(486, "Busy Here")
		time.Sleep(10*time.Second - time.Millisecond)
		if c, ok := shown(t, l); !ok || c.Outcome.Result != call.Busy || len(c.Rows) != 1 {
			t.Errorf("before its time is over the record is %+v, %v", c, ok)
		}
		time.Sleep(time.Millisecond)
		if _, ok := shown(t, l); ok {
			t.Error("the record outlives its time")
		}
		time.Sleep(time.Second)
	})
}

// A record is there until its call is over, whatever its time (CONTRACT 5.8).
func TestRecordLastsAsLongAsTheCall(t *testing.T) {
	inBubble(t, func(t *testing.T, l *controltest.Lab) {
		mustPlace(t, l, user201, request(func(r *control.PlaceRequest) { r.Keep = 0 }))
		line := l.Signals.Last()
		line.Progress(180, "Ringing")
		time.Sleep(100 * time.Second)
		if c, ok := shown(t, l); !ok || c.State != call.CallerRinging {
			t.Errorf("while the phone rings the record is %+v, %v", c, ok)
		}
		line.Reject(603, "Decline")
		time.Sleep(2 * time.Second)
		if c, ok := shown(t, l); !ok || c.Outcome.Result != call.Declined {
			t.Errorf("a client that asks once a second does not see the end: %+v, %v", c, ok)
		}
		time.Sleep(2 * time.Second)
		if _, ok := shown(t, l); ok {
			t.Error("the record outlives its call and its time")
		}
	})
}

// A second POST counts the record's time anew and replaces the call (CONTRACT 3.5).
func TestSecondPlaceReplacesTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, l *controltest.Lab) {
		keep10 := request(func(r *control.PlaceRequest) { r.Keep = 10 * time.Second })
		mustPlace(t, l, user201, keep10)
		first := l.Signals.Last()
		first.Progress(180, "Ringing")
		time.Sleep(9 * time.Second)
		second := mustPlace(t, l, user201, keep10)
		if c, ok := shown(t, l); !ok || c.ID != second || len(c.Rows) != 0 {
			t.Errorf("the record is %+v, %v, want the second call's", c, ok)
		}
		wantOneRinging(t, l.Signals.Done())
		l.Signals.Last().Reject(486, "Busy Here")
		time.Sleep(9 * time.Second)
		if c, ok := shown(t, l); !ok || c.ID != second {
			t.Errorf("the record is %+v, %v, want the second call's", c, ok)
		}
		time.Sleep(2 * time.Second)
	})
}

// wantOneRinging checks that each INVITE but the last was cancelled before the next
// went out.
func wantOneRinging(t *testing.T, did []controltest.Done) {
	t.Helper()
	var ringing *controltest.Line
	for i, d := range did {
		switch d.Effect.(type) {
		case call.Invite:
			if ringing != nil {
				t.Errorf("effect %d: a call is started while another of the same key rings", i)
			}
			ringing = d.Line
		case call.Cancel:
			if ringing != d.Line {
				t.Errorf("effect %d: a call is cancelled that does not ring", i)
			}
			ringing = nil
		}
	}
	if ringing == nil {
		t.Error("no call is left")
	}
}

// TestR09ParallelPosts: of fifty calls of one key at once one is left, none rings
// beside another, and the record is that of the one.
func TestR09ParallelPosts(t *testing.T) {
	const n = 50
	l := controltest.New(t, nil)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := l.Place(context.Background(), user201, request(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(l.Signals.Lines()); got != n {
		t.Errorf("%d calls were made, want %d", got, n)
	}
	if l.Engine.Len() != 1 || l.Records() != 1 {
		t.Errorf("%d calls and %d records are left, want one", l.Engine.Len(), l.Records())
	}
	wantOneRinging(t, l.Signals.Done())
	c, ok := shown(t, l)
	if !ok || c.State != call.CallingCaller {
		t.Fatalf("the record is %+v, %v, want a live call", c, ok)
	}
	if _, live := l.Engine.Find(c.ID); !live {
		t.Error("the record's call is not the live one")
	}
}

// TestR09ReplacedWhileTheyProgress: the same with phones that ring and answer in the
// meantime, and different keys beside each other.
func TestR09ReplacedWhileTheyProgress(t *testing.T) {
	const keys, rounds = 8, 40
	l := controltest.New(t, nil)
	var wg sync.WaitGroup
	for i := range keys * 4 {
		called := fmt.Sprint("30", i%keys)
		wg.Go(func() {
			for range rounds {
				if _, err := l.Place(context.Background(), user201, request(func(r *control.PlaceRequest) { r.Called = called })); err != nil {
					t.Error(err)
				}
				line := l.Signals.Last()
				line.Progress(180, "Ringing")
				line.Answer(200, "OK")
			}
		})
	}
	wg.Wait()
	if l.Records() != keys || l.Engine.Len() > keys {
		t.Errorf("%d records and %d calls are left of %d keys", l.Records(), l.Engine.Len(), keys)
	}
}

// TestR10Snapshots: who reads while the call moves sees it as it was at one moment,
// and reading moves nothing.
func TestR10Snapshots(t *testing.T) {
	l := controltest.New(t, nil)
	mustPlace(t, l, user201, request(nil))
	line := l.Signals.Last()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			seen := 0
			for {
				c, ok := shown(t, l)
				if !ok || len(c.Rows) < seen {
					t.Errorf("after %d rows: %v, %+v", seen, ok, c)
					return
				}
				seen = len(c.Rows)
				for i, r := range c.Rows {
					if want := fmt.Sprintf("SIP/2.0 %d ", 180+i); r.Line[:len(want)] != want {
						t.Errorf("row %d is %q", i, r.Line)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 100 {
		line.Progress(180+i, "Ringing")
	}
	close(done)
	wg.Wait()
	if did := len(l.Signals.Done()); did != 1 {
		t.Errorf("%d effects, want the INVITE and nothing else", did)
	}
}

func TestX19LimitOfCalls(t *testing.T) {
	l := controltest.New(t, func(c *control.Config) { c.MaxCalls, c.MaxRecords = 2, 3 })
	to := func(called string) control.PlaceRequest {
		return request(func(r *control.PlaceRequest) { r.Called = called })
	}
	mustPlace(t, l, user201, to("301"))
	mustPlace(t, l, user201, to("302"))
	_, err := l.Place(t.Context(), user201, to("303"))
	wantError(t, err, call.Exhausted, "limit of 2 calls at once")
	l.Signals.Last().Reject(486, "Busy Here")
	mustPlace(t, l, user201, to("303"))
	l.Signals.Last().Reject(486, "Busy Here")
	_, err = l.Place(t.Context(), user201, to("304"))
	wantError(t, err, call.Exhausted, "limit of 3 calls that are remembered")
}

func TestX19LimitHoldsInParallel(t *testing.T) {
	const limit = 10
	l := controltest.New(t, func(c *control.Config) { c.MaxCalls = limit })
	var wg sync.WaitGroup
	for i := range 5 * limit {
		wg.Go(func() {
			_, err := l.Place(context.Background(), user201, request(func(r *control.PlaceRequest) { r.Called = strconv.Itoa(i) }))
			if err != nil && call.KindOf(err) != call.Exhausted {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := l.Engine.Len(); got != limit {
		t.Errorf("%d calls at once, want %d", got, limit)
	}
}

func TestDrain(t *testing.T) {
	l := controltest.New(t, nil)
	mustPlace(t, l, user201, request(nil))
	l.Drain()
	_, err := l.Place(t.Context(), user201, request(nil))
	wantError(t, err, call.Exhausted, "going down")
	if c, ok := shown(t, l); !ok || c.State != call.CallingCaller {
		t.Errorf("the running call is %+v, %v", c, ok)
	}
}
