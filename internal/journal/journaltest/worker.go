package journaltest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"callcontroller/internal/journal"
)

// handled notes what a worker is given.
type handled struct {
	mu    sync.Mutex
	times map[string][]time.Time // by call and Seq
}

// add notes an attempt and gives which one it is: 1, 2, 3.
func (h *handled) add(e *journal.Entry) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.times == nil {
		h.times = make(map[string][]time.Time)
	}
	name := e.Call + " " + strconv.FormatUint(e.Seq, 10)
	h.times[name] = append(h.times[name], time.Now())
	return len(h.times[name])
}

// of gives when an entry was handled.
func (h *handled) of(name string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[name]
}

func (h *handled) entries() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.times)
}

// work runs a worker. Both stop, which ends it, and wait give what Worker gives. A worker
// has the entries that come after its first run began: that it has is seen with one.
func work(t *testing.T, j *journal.Journal, w journal.Work, handle func(journal.Entry) error) (stop, wait func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	began := make(chan struct{})
	var once sync.Once
	go func() {
		ended <- j.Worker(ctx, w, func(_ context.Context, e journal.Entry) error {
			if e.Agent == "began" {
				once.Do(func() { close(began) })
				return nil
			}
			return handle(e)
		})
	}()
	first := final("began", 1)
	first.Agent = "began"
	eventually(t, "the worker begins", func() bool {
		Append(t, j, first)
		select {
		case <-began:
			return true
		default:
			return false
		}
	})
	wait = func() error {
		t.Helper()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			t.Fatal("the worker does not end")
			return nil
		}
	}
	return func() error { t.Helper(); cancel(); return wait() }, wait
}

var errTry = errors.New("the endpoint is down")

// workerBacksOff fails some entries twice. Others, also of the same message, do not wait
// for them and are not handled again; what the filter leaves out is not handled.
func workerBacksOff(t *testing.T, s Store) {
	const pause = 30 * time.Millisecond
	j := Open(t, s)
	var h handled
	w := journal.Work{Name: "hook", Backoff: []time.Duration{pause, pause}, Filter: journal.Filter{Events: []string{"", event, "call.ended"}}}
	stop, _ := work(t, j, w, func(e journal.Entry) error {
		if h.add(&e) < 3 && e.Seq%5 == 0 {
			return errTry
		}
		return nil
	})
	recovery, other := step("a", 101), step("a", 102)
	recovery.Event, other.Event = "", "other"
	burst := []journal.Entry{recovery, other}
	for i := range 100 {
		burst = append(burst, step("a", i+1))
	}
	Append(t, j, burst...)
	eventually(t, "all are done", func() bool {
		return len(h.of("a 100")) == 3 && len(h.of("a 95")) == 3 && h.entries() == 100
	})
	Append(t, j, step("b", 1))
	eventually(t, "the next one is done", func() bool { return len(h.of("b 1")) == 1 })
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Error("the worker ends with", err)
	}
	for seq := 1; seq <= 100; seq++ {
		times := h.of("a " + strconv.Itoa(seq))
		want := 1
		if seq%5 == 0 {
			want = 3
		}
		if len(times) != want {
			t.Errorf("entry %d is handled %d times, want %d", seq, len(times), want)
			continue
		}
		for i := 1; i < want; i++ {
			if d := times[i].Sub(times[i-1]); d < pause {
				t.Errorf("attempt %d at entry %d comes after %v, want %v", i+1, seq, d, pause)
			}
		}
	}
	if h.entries() != 101 {
		t.Errorf("%d entries are handled, want 101: none without an event, none of another event", h.entries())
	}
}

// workerGivesUp gives an entry up after the last pause, and goes on.
func workerGivesUp(t *testing.T, s Store) {
	var log Log
	s.Config.Log = log.Logger()
	j := Open(t, s)
	var h handled
	w := journal.Work{Name: "hook", Backoff: []time.Duration{time.Millisecond, time.Millisecond}}
	stop, _ := work(t, j, w, func(e journal.Entry) error {
		h.add(&e)
		if e.Call == "bad" {
			return errTry
		}
		return nil
	})
	Append(t, j, step("bad", 1))
	eventually(t, "the attempts are over", func() bool { return len(h.of("bad 1")) == 3 })
	eventually(t, "that is logged", func() bool { return len(log.Lines()) == 1 })
	_ = stop()
	j = reopen(t, s, j)
	stop, _ = work(t, j, w, func(e journal.Entry) error { h.add(&e); return nil })
	_ = stop()
	if n := len(h.of("bad 1")); n != 3 {
		t.Errorf("an entry that was given up is handled again: %d times, want 3", n)
	}
}

// workerStops has a handler that wants no entry ever again. A worker of that name begins
// anew.
func workerStops(t *testing.T, s Store) {
	j := Open(t, s)
	_, ended := work(t, j, journal.Work{Name: "hook"}, func(e journal.Entry) error {
		if e.Call == "stop" {
			return errors.Join(errTry, journal.ErrStop)
		}
		return nil
	})
	Append(t, j, step("stop", 1))
	if err := ended(); !errors.Is(err, journal.ErrStop) {
		t.Error("the worker ends with", err)
	}
	Append(t, j, step("unseen", 1))
	var h handled
	stop, _ := work(t, j, journal.Work{Name: "hook"}, func(e journal.Entry) error { h.add(&e); return nil })
	Append(t, j, step("seen", 1))
	eventually(t, "the new worker works", func() bool { return len(h.of("seen 1")) == 1 })
	_ = stop()
	if h.entries() != 1 {
		t.Errorf("the new worker is given what was there before it: %v", h.times)
	}
	for range 2 { // that there is none is no error
		if err := j.DeleteWorker(t.Context(), "hook"); err != nil {
			t.Error(err)
		}
	}
	if err := j.Worker(t.Context(), journal.Work{Name: "a hook"}, nil); err == nil {
		t.Error("a name with a space is taken")
	}
}

// workerResumes has entries that come while no worker runs, and a handler that is
// interrupted.
func workerResumes(t *testing.T, s Store) {
	j := Open(t, s)
	var h handled
	w := journal.Work{Name: "hook", Backoff: []time.Duration{time.Millisecond}}
	stop, _ := work(t, j, w, func(e journal.Entry) error { h.add(&e); return nil })
	Append(t, j, step("a", 1))
	eventually(t, "it works", func() bool { return len(h.of("a 1")) == 1 })
	_ = stop()
	Append(t, j, step("a", 2)) // nobody is there
	j = reopen(t, s, j)
	Append(t, j, step("a", 3))

	interrupted := make(chan struct{}, 2)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- j.Worker(ctx, w, func(ctx context.Context, _ journal.Entry) error {
			interrupted <- struct{}{}
			<-ctx.Done() // as a request would
			return ctx.Err()
		})
	}()
	<-interrupted
	<-interrupted
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error("the worker ends with", err)
	}
	j = reopen(t, s, j)
	stop, _ = work(t, j, w, func(e journal.Entry) error { h.add(&e); return nil })
	// Some servers forget that a message was given back, and wait for whoever had it.
	eventually(t, "the rest is handled", func() bool { return len(h.of("a 2")) > 0 && len(h.of("a 3")) > 0 })
	_ = stop()
	if n := len(h.of("a 1")); n != 1 {
		t.Errorf("what was done is handled again: %d times", n)
	}
}

// workersShare has two runs of the same worker, and another one of another name.
func workersShare(t *testing.T, s Store) {
	const n = 200
	j := Open(t, s)
	var shared, alone handled
	note := func(h *handled) func(journal.Entry) error {
		return func(e journal.Entry) error { h.add(&e); return nil }
	}
	_, _ = work(t, j, journal.Work{Name: "shared"}, note(&shared))
	_, _ = work(t, j, journal.Work{Name: "alone"}, note(&alone))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- j.Worker(ctx, journal.Work{Name: "shared"}, func(_ context.Context, e journal.Entry) error {
			if e.Agent != "began" {
				shared.add(&e)
			}
			return nil
		})
	}()
	for seq := range n {
		Append(t, j, step("a", seq+1))
	}
	eventually(t, "all is done", func() bool { return shared.entries() == n && alone.entries() == n })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error("the second run ends with", err)
	}
	for seq := range n {
		name := "a " + strconv.Itoa(seq+1)
		if len(shared.of(name)) != 1 || len(alone.of(name)) != 1 {
			t.Errorf("entry %d: handled %d times by those who share, %d times by the other", seq+1, len(shared.of(name)), len(alone.of(name)))
		}
	}
}
