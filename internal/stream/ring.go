package stream

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"callcontroller/internal/journal"
)

// item is an entry, or a gap in the log up to pos.
type item struct {
	pos   journal.Position
	entry journal.Entry
	gone  *journal.GoneError
}

// overhead is what an item takes besides its texts.
const overhead = 200

func (i *item) size() int {
	return overhead + len(i.entry.Data) + len(i.entry.Call) + len(i.entry.Event) + len(i.entry.Agent)
}

// ring has the newest items.
type ring struct {
	maxBytes, maxItems int

	mu    sync.Mutex
	items []item
	bytes int
	low   journal.Position // everything after it is here
	high  journal.Position // of the newest that was ever here
	more  chan struct{}    // closed when there is more; nil: nobody waits
}

// newRing makes one that has nothing, and whose readers are all behind.
func newRing(bytes, items int) ring {
	return ring{maxBytes: bytes, maxItems: items, low: math.MaxUint64}
}

// begin tells after what the first item comes.
func (r *ring) begin(low journal.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.low, r.high = low, low
}

// end forgets everything, and lets all readers be behind.
func (r *ring) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items, r.bytes, r.low, r.high = nil, 0, math.MaxUint64, 0
	r.wake()
}

// wake tells those who wait to look again; r.mu is held.
func (r *ring) wake() {
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

// add puts an item at the end, and forgets what is too much.
func (r *ring) add(it *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, *it)
	r.bytes += it.size()
	r.high = it.pos
	n := 0
	for ; n < len(r.items) && (r.bytes > r.maxBytes || len(r.items)-n > r.maxItems); n++ {
		r.low = r.items[n].pos
		r.bytes -= r.items[n].size()
	}
	clear(r.items[:n])
	r.items = r.items[n:]
	r.wake()
}

// has tells whether everything after a position is here, or will be.
func (r *ring) has(after journal.Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return after >= r.low
}

// newest is the position of the newest that was ever here.
func (r *ring) newest() journal.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.high
}

// oldest gives the oldest entry, and the position after which the ring has everything.
func (r *ring) oldest() (e journal.Entry, low journal.Position, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.items) == 0 {
		return journal.Entry{}, r.low, false
	}
	return r.items[0].entry, r.low, r.items[0].gone == nil
}

// next adds the first items after a position to list, or gives what is closed when there
// are some. ok is false when the ring no longer has all.
func (r *ring) next(after journal.Position, list []item) (_ []item, more <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after < r.low {
		return list, nil, false
	}
	i, found := slices.BinarySearchFunc(r.items, after, func(it item, p journal.Position) int {
		return cmp.Compare(it.pos, p)
	})
	if found {
		i++
	}
	if i < len(r.items) {
		return append(list, r.items[i:min(len(r.items), i+handful)]...), nil, true
	}
	if r.more == nil {
		r.more = make(chan struct{})
	}
	return list, r.more, true
}
