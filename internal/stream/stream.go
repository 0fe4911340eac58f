// Package stream gives the events of the journal to any number of readers. It reads the
// journal once, as they come, and keeps the newest in memory: readers that are up to date
// cost the store nothing. One that is further behind reads from the journal until it has
// caught up. It does not know who may see what, and changes nothing.
//
// Goroutines: one for each Hub, which Close ends. Read runs on its caller's.
package stream

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"callcontroller/internal/journal"
)

// Journal is what a Hub needs of a journal.Journal.
type Journal interface {
	Read(ctx context.Context, after journal.Position, f journal.Filter) iter.Seq2[journal.Entry, error]
	Bounds(ctx context.Context) (first, last journal.Position, err error)
}

// Config says what a Hub reads and how much of it is kept in memory.
type Config struct {
	Journal    Journal
	MaxBytes   int // default 16 MiB
	MaxEntries int // default 32,768
}

const (
	defaultBytes   = 16 << 20
	defaultEntries = 32 << 10
	// before is how far before the end of the log the Hub begins, so that readers that
	// come back after a restart find in memory what they have missed: some 256 messages.
	before = 1 << 18
	// retry is how long to wait after trouble with the store.
	retry = 200 * time.Millisecond
	// handful is how many entries a reader takes at a time.
	handful = 64
)

// Hub gives events to readers. Use New.
type Hub struct {
	journal Journal
	ring    ring

	ctx  context.Context //nolint:containedctx // ends all readers when the hub closes
	stop context.CancelFunc
	done chan struct{} // closed when nothing is read any more
}

// New begins to read. Trouble with the store is waited for.
func New(c Config) *Hub {
	h := &Hub{journal: c.Journal, ring: newRing(cmp.Or(c.MaxBytes, defaultBytes), cmp.Or(c.MaxEntries, defaultEntries)), done: make(chan struct{})}
	h.ctx, h.stop = context.WithCancel(context.Background())
	go h.tail()
	return h
}

// Close ends all readers with journal.ErrClosed, and waits until nothing is read.
func (h *Hub) Close() {
	h.stop()
	<-h.done
}

// tail reads the journal into the ring, until one of them closes.
func (h *Hub) tail() {
	defer close(h.done)
	defer h.stop()
	from, ok := h.begin()
	if !ok {
		return
	}
	h.ring.begin(from)
	for e, err := range h.journal.Read(h.ctx, from, journal.Filter{}) {
		gone, isGap := errors.AsType[*journal.GoneError](err)
		switch {
		case isGap:
			h.ring.add(&item{pos: gone.First, gone: gone})
		case err == nil && e.Event != "":
			e.Data = slices.Clone(e.Data) // It is part of a message, most of which nobody needs.
			h.ring.add(&item{pos: e.Position, entry: e})
		}
	}
}

// begin gives the position from which on the ring has everything.
func (h *Hub) begin() (journal.Position, bool) {
	first, last, ok := h.bounds(h.ctx)
	if !ok || last-first <= before {
		return first, ok
	}
	return last - before, true
}

// bounds asks until there is an answer, or ctx is over.
func (h *Hub) bounds(ctx context.Context) (first, last journal.Position, ok bool) {
	for {
		first, last, err := h.journal.Bounds(ctx)
		if err == nil {
			return first, last, true
		}
		if !pause(ctx, retry) {
			return 0, 0, false
		}
	}
}

// pause waits and tells whether ctx is not over.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Bounds are those of the journal.
func (h *Hub) Bounds(ctx context.Context) (first, last journal.Position, err error) {
	return h.journal.Bounds(ctx)
}
