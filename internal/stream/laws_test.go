package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/journal"
	"callcontroller/internal/stream"
)

// plan is a run: what is appended when, and who reads.
type plan struct {
	config  stream.Config
	entries []journal.Entry
	early   int                   // are there when the hub opens
	pauses  map[int]time.Duration // before an entry
	trims   map[int]int           // before an entry: so many are left
	faults  int64
	readers []*reading
}

// reading is one that may come back several times.
type reading struct {
	after   journal.Position
	filter  journal.Filter
	begins  time.Duration
	takes   time.Duration // for each entry
	leaves  int           // after so many, to come back at once; 0: never
	got     []any         // journal.Entry or *journal.GoneError
	stopped error
}

func drawPlan(t *rapid.T) *plan {
	p := &plan{pauses: map[int]time.Duration{}, trims: map[int]int{}}
	p.config.MaxEntries = rapid.IntRange(1, 12).Draw(t, "ring")
	p.config.MaxBytes = rapid.SampledFrom([]int{1, 1000, 1 << 20}).Draw(t, "bytes")
	pick := func(names ...string) string { return rapid.SampledFrom(names).Draw(t, "name") }
	steps := rapid.SampledFrom([]journal.Position{1, 3, 1 << 10, 1 << 17, 1 << 20})
	n := rapid.IntRange(0, 60).Draw(t, "entries")
	pos := begin
	for i := range n {
		pos += steps.Draw(t, "step")
		p.entries = append(p.entries, journal.Entry{
			Position: pos, Call: pick("a", "b", "c"), Event: pick("", "x", "y", "z"), Agent: pick("anne", "bob"), Data: []byte{byte(i)},
		})
		if rapid.IntRange(0, 3).Draw(t, "pauses") == 0 {
			p.pauses[i] = time.Duration(rapid.IntRange(1, 50).Draw(t, "ms")) * time.Millisecond
		}
		if rapid.IntRange(0, 15).Draw(t, "trims") == 0 {
			p.trims[i] = rapid.IntRange(0, 10).Draw(t, "left")
		}
	}
	p.early = rapid.IntRange(0, n).Draw(t, "early")
	p.faults = int64(rapid.IntRange(0, 5).Draw(t, "faults"))
	for range rapid.IntRange(1, 5).Draw(t, "readers") {
		r := &reading{leaves: rapid.IntRange(0, 4).Draw(t, "leaves")}
		r.after = journal.Position(rapid.Uint64Range(0, uint64(pos)+10).Draw(t, "after"))
		if n > 0 && rapid.Bool().Draw(t, "exact") {
			r.after = p.entries[rapid.IntRange(0, n-1).Draw(t, "entry")].Position
		}
		r.filter = journal.Filter{Call: pick("", "", "a"), Agent: pick("", "", "bob")}
		if rapid.Bool().Draw(t, "filtered") {
			r.filter.Events = []string{"x", "z"}
		}
		r.begins = time.Duration(rapid.IntRange(0, 300).Draw(t, "begins")) * time.Millisecond
		r.takes = time.Duration(rapid.SampledFrom([]int{0, 1, 20, 500}).Draw(t, "takes")) * time.Millisecond
		p.readers = append(p.readers, r)
	}
	return p
}

// run does it all in virtual time, and gives the log as it is left.
func (p *plan) run(t *testing.T) *fake {
	t.Helper()
	var f *fake
	step := func(i int) {
		if n, ok := p.trims[i]; ok {
			f.trim(n)
		}
		f.append(p.entries[i])
	}
	synctest.Test(t, func(t *testing.T) {
		f = newFake() // Its channels have to be of this bubble.
		for i := range p.early {
			step(i)
		}
		f.faults.Store(p.faults)
		p.config.Journal = f
		h := stream.New(p.config)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, r := range p.readers {
			all.Go(func() { r.run(ctx, h) })
		}
		for i := p.early; i < len(p.entries); i++ {
			time.Sleep(p.pauses[i])
			step(i)
		}
		time.Sleep(time.Hour) // until the slowest has all
		cancel()
		all.Wait()
		h.Close()
	})
	return f
}

func (r *reading) run(ctx context.Context, h *stream.Hub) {
	time.Sleep(r.begins)
	after := r.after
	for ctx.Err() == nil {
		n := 0
		for e, err := range h.Read(ctx, after, r.filter) {
			time.Sleep(r.takes)
			if gone, ok := errors.AsType[*journal.GoneError](err); ok {
				r.got, after = append(r.got, gone), gone.First
			} else if err != nil {
				r.stopped = err
				return
			} else {
				r.got, after = append(r.got, e), e.Position
			}
			if n++; n == r.leaves {
				break
			}
		}
	}
}

// check holds what a reader got to the log: every entry that it wants once and in order,
// but for those of a gap that it was told of, which are really gone.
func (r *reading) check(f *fake) error {
	at := r.after
	missed := func(to journal.Position) *journal.Entry {
		from := at
		if from == 0 { // It begins with what is kept, and is told of no gap before that.
			from = f.trimmed
		}
		for i := range f.entries {
			if e := &f.entries[i]; e.Position > from && e.Position < to && wants(&r.filter, e) {
				return e
			}
		}
		return nil
	}
	_, last := f.bounds()
	for _, got := range r.got {
		switch got := got.(type) {
		case *journal.GoneError:
			if got.After < at {
				return fmt.Errorf("a gap after %d, behind which %d was reached", got.After, at)
			}
			if e := missed(got.First + 1); e != nil && e.Position > f.trimmed {
				return fmt.Errorf("entry %d counts as gone: %w", e.Position, got)
			}
			if got.First < at && at != r.after {
				return fmt.Errorf("thrown back from %d to %d", at, got.First)
			}
			at = got.First
		case journal.Entry:
			if e := missed(got.Position); e != nil {
				return fmt.Errorf("entry %d is missing before %d", e.Position, got.Position)
			}
			if got.Position <= at || !wants(&r.filter, &got) {
				return fmt.Errorf("entry %d %q after %d", got.Position, got.Event, at)
			}
			at = got.Position
		}
	}
	if e := missed(last + 1); e != nil {
		return fmt.Errorf("entry %d never came", e.Position)
	}
	return r.stopped
}

func wants(f *journal.Filter, e *journal.Entry) bool {
	return e.Event != "" && (f.Call == "" || f.Call == e.Call) && (f.Agent == "" || f.Agent == e.Agent) && (f.Events == nil || e.Event == "x" || e.Event == "z")
}

// TestReadersGetWhatTheJournalHas: whatever the size of the ring, where a reader begins,
// what it wants and how slow it is, it gets what the journal would give.
func TestReadersGetWhatTheJournalHas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		f := p.run(t)
		for i, r := range p.readers {
			if err := r.check(f); err != nil {
				rt.Errorf("reader %d %+v: %v\nconfig %+v\nearly %d pauses %v trims %v trimmed %d\n%v", i, r, err, p.config, p.early, p.pauses, p.trims, f.trimmed, p.entries)
			}
		}
	})
}
