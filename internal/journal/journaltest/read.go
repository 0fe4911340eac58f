package journaltest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/journal"
)

// readersSeeAllInOrder has several write and several read at the same time: every
// reader gets the same, each call in its order.
func readersSeeAllInOrder(t *testing.T, s Store) {
	const writers, readers, each = 4, 5, 400
	j := Open(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := make([][]journal.Entry, readers)
	failed := make([]error, readers)
	var reading, writing sync.WaitGroup
	for i := range readers {
		reading.Go(func() { seen[i], failed[i] = through(ctx, j, 0, journal.Filter{}) })
	}
	for i := range writers {
		writing.Go(func() {
			for seq := range each {
				if err := j.Append(step("call "+strconv.Itoa(i), seq+1), nil); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		})
	}
	writing.Wait()
	Append(t, j, theLast(journal.Filter{}))
	reading.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	if err := inOrder(seen[0]); err != nil {
		t.Error(err)
	}
	for i, all := range seen {
		if len(all) != writers*each {
			t.Errorf("reader %d has %d entries, want %d", i, len(all), writers*each)
		}
		if !slices.EqualFunc(all, seen[0], func(a, b journal.Entry) bool { return a.Position == b.Position && same(&a, &b) == nil }) {
			t.Errorf("reader %d has others than reader 0", i)
		}
	}
}

// inOrder tells what is wrong with the order of whole calls: each of their entries has
// to come once, and a greater position than all before.
func inOrder(entries []journal.Entry) error {
	var last journal.Position
	seqs := make(map[string]uint64)
	for _, e := range entries {
		if e.Position <= last {
			return fmt.Errorf("position %d after %d", e.Position, last)
		}
		if e.Seq != seqs[e.Call]+1 {
			return fmt.Errorf("%s has entry %d after %d", e.Call, e.Seq, seqs[e.Call])
		}
		last, seqs[e.Call] = e.Position, e.Seq
	}
	return nil
}

// readIsAsTheModel appends what chance gives, and reads it from any place by any filter.
func readIsAsTheModel(t *testing.T, s Store) {
	s.Config.Linger = time.Microsecond // every burst waits for its end
	j := Open(t, s)
	rapid.Check(t, func(r *rapid.T) {
		_, start, err := j.Bounds(t.Context())
		if err != nil {
			r.Fatal(err)
		}
		var model []journal.Entry
		for range rapid.IntRange(1, 3).Draw(r, "bursts") {
			burst := rapid.SliceOfN(rapid.Custom(anyEntry), 1, 20).Draw(r, "burst")
			model = append(model, burst...)
			Append(t, j, burst...)
		}
		Append(t, j, theLast(journal.Filter{}))
		all := readThrough(t, j, start, journal.Filter{})
		mustBe(r, all, chosen(model, journal.Filter{}))
		if len(all) == 0 {
			return
		}
		// Once more, from any of them on, by any filter.
		f, from := rapid.Custom(anyFilter).Draw(r, "filter"), rapid.IntRange(0, len(all)-1).Draw(r, "from")
		Append(t, j, theLast(f))
		mustBe(r, readThrough(t, j, all[from].Position, f), chosen(all[from+1:], f))
	})
}

func anyEntry(r *rapid.T) journal.Entry {
	return journal.Entry{
		Call: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "call"), Seq: rapid.Uint64().Draw(r, "seq"),
		Event: rapid.SampledFrom([]string{"", "call.ringing", "call.connected", "call.ended"}).Draw(r, "event"),
		Agent: rapid.SampledFrom([]string{"", "anne", "bert"}).Draw(r, "agent"), Final: rapid.Bool().Draw(r, "final"),
		Data:  []byte(strings.Repeat("d", rapid.IntRange(0, 300).Draw(r, "data"))),
		State: []byte(strings.Repeat("s", rapid.IntRange(0, 300).Draw(r, "state"))),
	}
}

func anyFilter(r *rapid.T) journal.Filter {
	return journal.Filter{
		Call: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "call"), Agent: rapid.SampledFrom([]string{"", "anne"}).Draw(r, "agent"),
		Events: rapid.SliceOfN(rapid.SampledFrom([]string{"call.ringing", "call.ended"}), 0, 2).Draw(r, "events"),
	}
}

// chosen is what a filter leaves of entries, as the documentation says it.
func chosen(entries []journal.Entry, f journal.Filter) []journal.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e journal.Entry) bool {
		return e.Event == "" || f.Call != "" && f.Call != e.Call || f.Agent != "" && f.Agent != e.Agent ||
			len(f.Events) > 0 && !slices.Contains(f.Events, e.Event)
	})
}

func mustBe(t rapid.TB, got, want []journal.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if err := same(&got[i], &want[i]); err != nil {
			t.Fatalf("entry %d of %d: %v", i, len(want), err)
		}
		if i > 0 && got[i].Position <= got[i-1].Position || got[i].State != nil {
			t.Fatalf("entry %d has position %d after %d and state %q", i, got[i].Position, got[i-1].Position, got[i].State)
		}
	}
}

// resumeAfterReopen goes on behind each entry that a reader had before the journal was
// closed.
func resumeAfterReopen(t *testing.T, s Store) {
	j := Open(t, s)
	for seq := range 20 {
		Append(t, j, step("a", 2*seq+1), step("a", 2*seq+2))
	}
	before := read(t, j, 0, 40)
	j = reopen(t, s, j)
	Append(t, j, step("a", 41))
	for i, e := range before {
		rest := read(t, j, e.Position, 40-i)
		if err := inOrder(append(before[:i+1:i+1], rest...)); err != nil {
			t.Errorf("after position %d: %v", e.Position, err)
		}
	}
}

// goneAfterRetention tells a reader that comes too late, and one who comes from before
// everything nothing.
func goneAfterRetention(t *testing.T, s Store) {
	s.Config.MaxBytes = 4 << 20
	j := Open(t, s)
	Append(t, j, step("old", 1), final("old", 2))
	old := read(t, j, 0, 2)
	fill(t, j, 6<<20)
	first, last, err := j.Bounds(t.Context())
	if err != nil || first <= old[1].Position || last <= first {
		t.Fatalf("the log is from %d to %d, %v; the old call is at %d", first, last, err, old[1].Position)
	}
	var got []any
	for e, err := range j.Read(t.Context(), old[0].Position, journal.Filter{}) {
		if got = append(got, err, e.Position); len(got) == 4 {
			break
		}
	}
	gone, ok := errors.AsType[*journal.GoneError](got[0].(error))
	if !ok || !errors.Is(gone, journal.ErrGone) || gone.After != old[0].Position || gone.First != first {
		t.Errorf("a late reader gets %v, want what is between %d and %d", got[0], old[0].Position, first)
	}
	next := read(t, j, 0, 1)[0].Position
	if got[2] != nil || got[3] != next || next <= first {
		t.Errorf("the late reader goes on with %v %v, one from the start with %d", got[2], got[3], next)
	}
}

// fill appends n bytes of calls that have ended.
func fill(t *testing.T, j *journal.Journal, n int) {
	t.Helper()
	const size = 100 << 10
	for i := range n / size {
		e := final("filler "+strconv.Itoa(i), 1)
		e.Data = make([]byte, size)
		_, _ = rand.Read(e.Data) // never fails; it cannot be compressed
		Append(t, j, e)
	}
}

// positionOfAnotherLog tells a reader who comes with a position that this log has not
// reached: the log was deleted, for one.
func positionOfAnotherLog(t *testing.T, s Store) {
	j := Open(t, s)
	Append(t, j, step("a", 1))
	_, last, err := j.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range j.Read(t.Context(), last+5000, journal.Filter{}) {
		if !errors.Is(err, journal.ErrGone) {
			t.Errorf("the first thing is %v, want an ErrGone", err)
		}
		break
	}
}

// readEnds has both ends of a reader's life: its context, and the journal's.
func readEnds(t *testing.T, s Store) {
	j := Open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	Append(t, j, step("a", 1))
	for _, err := range j.Read(ctx, 0, journal.Filter{}) {
		if err != nil {
			t.Error("after its context is over, a reader gets", err)
		}
		cancel()
	}
	started := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		var last error
		for e, err := range j.Read(t.Context(), 0, journal.Filter{}) {
			if last = err; e.Call == "a" {
				close(started)
			}
		}
		ended <- last
	}()
	<-started
	Close(t, j)
	if err := <-ended; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("the last thing of a reader is %v, want ErrClosed", err)
	}
	if err := j.Append(step("a", 2), nil); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append to a closed journal: %v", err)
	}
}
