// Package stream gives the events of the journal to any number of readers. While there
// are any, it reads the journal once, as they come, and keeps the newest in memory:
// readers that are up to date cost the store nothing. One that is further behind reads from the journal until it has
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
	"sync"
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
	// linger is how long it is read when nobody reads any more.
	linger = time.Minute
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
	wake chan struct{} // has room for one: there may be a reader

	mu      sync.Mutex
	readers int
	rest    context.CancelFunc // ends what is read; nil before anything was
	idle    *time.Timer        // ends it when nobody comes; nil while there are readers
}

// New makes a Hub, which reads nothing before there is a reader. Trouble with the store is waited for.
func New(c Config) *Hub {
	h := &Hub{journal: c.Journal, ring: newRing(cmp.Or(c.MaxBytes, defaultBytes), cmp.Or(c.MaxEntries, defaultEntries)), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	h.ctx, h.stop = context.WithCancel(context.Background())
	go h.tail()
	return h
}

// Close ends all readers with journal.ErrClosed, and waits until nothing is read.
func (h *Hub) Close() {
	h.stop()
	<-h.done
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.idle != nil {
		h.idle.Stop()
	}
}

// tail reads the journal into the ring while there are readers, until one of both closes.
func (h *Hub) tail() {
	defer close(h.done)
	defer h.stop()
	for {
		select {
		case <-h.wake:
		case <-h.ctx.Done():
			return
		}
		if ctx := h.begin(); ctx != nil && !h.fill(ctx) {
			return
		}
	}
}

// begin gives the time in which it is to be read; nil when nobody is there to read.
func (h *Hub) begin() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers == 0 {
		return nil
	}
	var ctx context.Context
	ctx, h.rest = context.WithCancel(h.ctx)
	return ctx
}

// fill reads until ctx is over, and tells whether the journal is still there.
func (h *Hub) fill(ctx context.Context) bool {
	defer h.ring.end()
	from, ok := h.start(ctx)
	if !ok {
		return true
	}
	h.ring.begin(from)
	for e, err := range h.journal.Read(ctx, from, journal.Filter{}) {
		gone, isGap := errors.AsType[*journal.GoneError](err)
		switch {
		case isGap:
			h.ring.add(&item{pos: gone.First, gone: gone})
		case err == nil && e.Event != "":
			e.Data = slices.Clone(e.Data) // It is part of a message, most of which nobody needs.
			h.ring.add(&item{pos: e.Position, entry: e})
		}
	}
	return ctx.Err() != nil
}

// enter counts a reader: what comes is read from now on.
func (h *Hub) enter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers++
	if h.idle != nil {
		h.idle.Stop()
		h.idle = nil
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// leave takes a reader off. When it was the last one, nothing is read any more after
// linger.
func (h *Hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers--; h.readers == 0 && h.ctx.Err() == nil {
		h.idle = time.AfterFunc(linger, h.sleep)
	}
}

func (h *Hub) sleep() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers == 0 && h.rest != nil {
		h.rest()
	}
}

// start gives the position from which on the ring has everything.
func (h *Hub) start(ctx context.Context) (journal.Position, bool) {
	first, last, ok := h.bounds(ctx)
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
