package stream_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"callcontroller/internal/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin is before all that a log ever has.
const begin journal.Position = 1023

// fake is a journal in memory.
type fake struct {
	readers atomic.Int64 // that there are now
	reads   atomic.Int64 // that there ever were
	faults  atomic.Int64 // so many times Bounds fails

	mu      sync.Mutex
	entries []journal.Entry
	trimmed journal.Position // entries up to it are not kept
	closed  bool
	changed chan struct{}
}

func newFake() *fake { return &fake{trimmed: begin, changed: make(chan struct{})} }

func (f *fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) append(e journal.Entry) {
	f.change(func() { f.entries = append(f.entries, e) })
}

// trim forgets the oldest entries but for n.
func (f *fake) trim(n int) {
	f.change(func() {
		if i := len(f.entries) - n; i > 0 {
			f.trimmed = max(f.trimmed, f.entries[i-1].Position)
		}
	})
}

func (f *fake) close() { f.change(func() { f.closed = true }) }

var errFault = errors.New("no answer")

func (f *fake) Bounds(context.Context) (first, last journal.Position, err error) {
	if f.faults.Add(-1) >= 0 {
		return 0, 0, errFault
	}
	first, last = f.bounds()
	return first, last, nil
}

func (f *fake) bounds() (first, last journal.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last = f.trimmed
	if n := len(f.entries); n > 0 {
		last = max(last, f.entries[n-1].Position)
	}
	return f.trimmed, last
}

func (f *fake) Read(ctx context.Context, after journal.Position, _ journal.Filter) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		f.reads.Add(1)
		f.readers.Add(1)
		defer f.readers.Add(-1)
		if first, last := f.bounds(); after > last {
			if !yield(journal.Entry{}, &journal.GoneError{After: after, First: first}) {
				return
			}
			after = first
		}
		for zero := after == 0; ; {
			f.mu.Lock()
			first, closed, changed := f.trimmed, f.closed, f.changed
			i := slices.IndexFunc(f.entries, func(e journal.Entry) bool { return e.Position > max(after, first) })
			var next journal.Entry
			if i >= 0 {
				next = f.entries[i]
			}
			f.mu.Unlock()
			switch {
			case closed:
				yield(journal.Entry{}, journal.ErrClosed)
				return
			case ctx.Err() != nil:
				return
			case after < first && !zero:
				if !yield(journal.Entry{}, &journal.GoneError{After: after, First: first}) {
					return
				}
				after = first
				continue
			case i >= 0:
				zero, after = false, next.Position
				if next.Event != "" && !yield(next, nil) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}
