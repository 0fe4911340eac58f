package stream

import (
	"context"
	"errors"
	"iter"
	"slices"

	"callcontroller/internal/journal"
)

// Read gives what journal.Journal.Read would give: every entry with an Event after a
// position that the filter takes, in order, once, and a *journal.GoneError where some are
// no longer kept, until ctx is over. The last thing is journal.ErrClosed when the journal
// or the hub closes. Data is shared with other readers: nobody may change it.
func (h *Hub) Read(ctx context.Context, after journal.Position, f journal.Filter) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		h.enter()
		defer h.leave()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(h.ctx, cancel)()
		r := reader{hub: h, pos: after, filter: f, yield: yield}
		for goOn := r.start(ctx); goOn; {
			goOn = r.catchUp(ctx) && r.follow(ctx)
		}
		if !r.left && (r.closed || h.ctx.Err() != nil) {
			yield(journal.Entry{}, journal.ErrClosed)
		}
	}
}

// reader is one run of Read. Its methods tell whether to go on.
type reader struct {
	hub    *Hub
	pos    journal.Position // up to which everything was given
	filter journal.Filter
	yield  func(journal.Entry, error) bool
	left   bool // the caller has had enough
	closed bool // the journal is
}

// start looks at a position that lies before us: it is what a log has given that was
// there before, unless the log's end lies behind it. Other positions are judged when it
// is read from there.
func (r *reader) start(ctx context.Context) bool {
	if !r.hub.ring.has(r.pos) || r.pos <= r.hub.ring.newest() {
		return true
	}
	first, last, ok := r.hub.bounds(ctx)
	if !ok {
		return false
	}
	return r.pos <= last || r.take(&item{gone: &journal.GoneError{After: r.pos, First: first}})
}

// catchUp reads from the journal until the ring has what comes next. It asks for all
// entries, so that it sees how far it is.
func (r *reader) catchUp(ctx context.Context) bool {
	if r.hub.ring.has(r.pos) {
		return true
	}
	for e, err := range r.hub.journal.Read(ctx, r.pos, journal.Filter{}) {
		gone, isGap := errors.AsType[*journal.GoneError](err)
		if err != nil && !isGap {
			break
		}
		if !r.take(&item{pos: e.Position, entry: e, gone: gone}) {
			return false
		}
		if r.hub.ring.has(r.pos) {
			return true
		}
	}
	r.closed = ctx.Err() == nil // Nothing else ends it.
	return false
}

// follow gives what the ring has, until it no longer has what comes next.
func (r *reader) follow(ctx context.Context) bool {
	var list []item
	for ctx.Err() == nil {
		items, more, ok := r.hub.ring.next(r.pos, list[:0])
		if !ok {
			return true
		}
		list = items
		for i := range items {
			if !r.take(&items[i]) {
				return false
			}
		}
		if more == nil {
			continue
		}
		clear(list[:cap(list)]) // While it waits it keeps nothing that the ring forgets.
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
	return false
}

// take gives an item to the caller, if the filter takes it.
func (r *reader) take(it *item) bool {
	var err error
	switch {
	case it.gone != nil:
		err = &journal.GoneError{After: max(r.pos, it.gone.After), First: it.gone.First}
		r.pos = it.gone.First
	default:
		r.pos = it.pos
		if !takes(&r.filter, &it.entry) {
			return true
		}
	}
	r.left = !r.yield(it.entry, err)
	return !r.left
}

func takes(f *journal.Filter, e *journal.Entry) bool {
	if e.Event == "" || f.Call != "" && f.Call != e.Call || f.Agent != "" && f.Agent != e.Agent {
		return false
	}
	return len(f.Events) == 0 || slices.Contains(f.Events, e.Event)
}
