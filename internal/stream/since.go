package stream

import (
	"context"
	"time"

	"callcontroller/internal/journal"
)

// How long Since looks in all, and for an entry behind a place in the log.
const (
	longestSearch = 5 * time.Second
	longestProbe  = time.Second
)

// Since gives a position before every entry that happened at a time or later, not far
// from the first of them, so that a call is found without reading the whole log. The
// order of the log is that of time but for what a clock is set back: give an earlier
// time to be on the safe side. When the store does not answer, the position is further
// ahead than need be.
func (h *Hub) Since(ctx context.Context, t time.Time) journal.Position {
	oldest, high, ok := h.ring.oldest()
	if ok && oldest.Time.Before(t) {
		return high
	}
	ctx, cancel := context.WithTimeout(ctx, longestSearch)
	defer cancel()
	first, last, err := h.journal.Bounds(ctx)
	if err != nil {
		return 0
	}
	low := first
	high = min(high, last)
	for low < high && high-low > before {
		middle := low + (high-low)/2
		e, found := h.probe(ctx, middle)
		if found && e.Position < high && e.Time.Before(t) {
			low = e.Position
		} else {
			high = middle
		}
	}
	if low == first {
		return 0 // The log may begin later by now, which is no gap to this reader.
	}
	return low
}

// probe gives the first entry after a position.
func (h *Hub) probe(ctx context.Context, after journal.Position) (journal.Entry, bool) {
	ctx, cancel := context.WithTimeout(ctx, longestProbe)
	defer cancel()
	for e, err := range h.journal.Read(ctx, after, journal.Filter{}) {
		if err == nil {
			return e, true
		}
	}
	return journal.Entry{}, false
}
