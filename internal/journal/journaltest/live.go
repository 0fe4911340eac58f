package journaltest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/journal"
)

// liveAfterReopen has calls of every length, some of them ended.
func liveAfterReopen(t *testing.T, s Store) {
	j := Open(t, s)
	want := make(map[string]journal.Entry)
	for seq := 1; seq <= 5; seq++ {
		var burst []journal.Entry
		for i := range 100 {
			e := step("call "+strconv.Itoa(i), seq)
			switch {
			case seq == i%7 && i%2 == 0:
				e = final(e.Call, seq)
			case seq >= i%7 && i%2 == 0:
				continue
			case i%5 == 0:
				e.Event = "" // for recovery only
			}
			burst = append(burst, e)
			if want[e.Call] = e; e.Final {
				delete(want, e.Call)
			}
		}
		Append(t, j, burst...)
	}
	liveIs(t, j, want)
	j = reopen(t, s, j)
	liveIs(t, j, want)
	Append(t, j, final("call 1", 6), step("call 3", 6))
	delete(want, "call 1")
	want["call 3"] = step("call 3", 6)
	liveIs(t, j, want)
	liveIs(t, reopen(t, s, j), want)
}

func liveIs(t *testing.T, j *journal.Journal, want map[string]journal.Entry) {
	t.Helper()
	got := Live(t, j)
	for call, w := range want {
		g := got[call]
		if err := same(&g, &w); err != nil || string(g.State) != string(w.State) {
			t.Errorf("%s lives with %v, state %q, want %q", call, err, g.State, w.State)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d calls live, want %d", len(got), len(want))
	}
}

// copiesAreNotShownTwice has calls that stand for longer than the log is: they are
// recovered all the same, and no reader sees that their last entries are copied.
func copiesAreNotShownTwice(t *testing.T, s Store) {
	const calls, end = 30, "the end"
	s.Config.MaxBytes = 4 << 20
	j := Open(t, s)
	want := make(map[string]journal.Entry)
	for i := range calls {
		e := step("standing "+strconv.Itoa(i), 1)
		Append(t, j, e)
		want[e.Call] = e
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen int
	var failed error
	pace, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range j.Read(ctx, 0, journal.Filter{}) {
			if failed = err; err != nil || e.Call == end {
				return
			}
			if e.Event == event {
				seen++
			} else {
				pace <- struct{}{}
			}
		}
	}()
	for range 12 << 20 / (100 << 10) {
		fill(t, j, 100<<10)
		select {
		case <-pace: // so that the reader is not too late for what is kept
		case <-done:
			t.Fatal("the reader ends early:", failed)
		}
	}
	Append(t, j, final(end, 1))
	<-done
	if failed != nil || seen != calls {
		t.Errorf("a reader has %d entries of %d standing calls, %v", seen, calls, failed)
	}
	liveIs(t, j, want)
	liveIs(t, reopen(t, s, j), want)
}

// closeStoresEverything closes at once after a burst.
func closeStoresEverything(t *testing.T, s Store) {
	const n = 3000
	j := Open(t, s)
	var burst []journal.Entry
	for seq := range n {
		burst = append(burst, step("a", seq+1))
	}
	done := send(t, j, burst...)
	Close(t, j)
	if len(done) != n {
		t.Fatalf("after Close, %d of %d entries have an outcome", len(done), n)
	}
	await(t, done, n)
	j = Open(t, s)
	all := read(t, j, 0, n)
	if err := inOrder(all); err != nil {
		t.Error(err)
	}
}

// refusals are what Append says at once.
func refusals(t *testing.T, s Store) {
	s.Config.MaxQueue = 300 << 10
	j := Open(t, s)
	e := step("a", 1)
	e.Data = make([]byte, journal.MaxEntry)
	if err := j.Append(e, func(journal.Position, error) { t.Error("done is called for what was refused") }); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("an entry that is too large: %v", err)
	}
	e.Data = make([]byte, 80<<10)
	taken, refused := 0, map[uint64]error{}
	done := make(chan error, 1000)
	// Faster than any store: a call that runs has more room than one that begins.
	for seq := uint64(1); seq < 1000 && len(refused) < 2; seq++ {
		for _, e.Seq = range []uint64{1, 2} {
			if err := j.Append(e, func(_ journal.Position, err error) { done <- err }); err == nil {
				taken++
			} else if refused[e.Seq] == nil {
				refused[e.Seq] = err
			}
		}
	}
	for seq, err := range refused {
		if !errors.Is(err, journal.ErrBehind) {
			t.Errorf("entry %d while the queue is full: %v", seq, err)
		}
	}
	await(t, done, taken)
	if len(refused) < 2 {
		t.Errorf("a full queue refused only %v", refused)
	}
	eventually(t, "a new call is taken", func() bool { return j.Health() == nil })
	if got := read(t, j, 0, taken); len(got) != taken {
		t.Errorf("%d entries, want those %d that were taken", len(got), taken)
	}
}

// storeAway takes the store away from a journal. What is open goes on and is stored when
// it is back; what is new is refused.
func storeAway(t *testing.T, s Store) {
	if s.Stop == nil {
		t.Skip("this store cannot be taken away: see the tests of row X16")
	}
	j := Open(t, s)
	Append(t, j, step("a", 1), step("a", 2))
	s.Stop()
	eventually(t, "the journal sees that its store is away", func() bool { return j.Health() != nil })
	if err := j.Append(step("new", 1), func(journal.Position, error) { t.Error("done is called for what was refused") }); !isTrouble(err) {
		t.Errorf("a new call while the store is away: %v", err)
	}
	var running []journal.Entry
	for seq := 3; seq <= 1000; seq++ {
		running = append(running, step("a", seq))
	}
	done := send(t, j, running...)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := j.Get(ctx, "key"); !errors.Is(err, journal.ErrDown) {
		t.Errorf("a key while the store is away: %v", err)
	}
	if len(done) > 0 {
		t.Error("an entry is stored while the store is away:", <-done)
	}
	s.Start()
	await(t, done, len(running))
	eventually(t, "new calls are taken again", func() bool { return j.Append(step("new", 1), nil) == nil })
	Append(t, j, theLast(journal.Filter{}))
	all := readThrough(t, j, 0, journal.Filter{})
	if len(all) != 1001 {
		t.Errorf("%d entries are in the log, want 1001", len(all))
	}
	if err := inOrder(all); err != nil {
		t.Error(err)
	}
}

func isTrouble(err error) bool {
	return errors.Is(err, journal.ErrDown) || errors.Is(err, journal.ErrBehind)
}
