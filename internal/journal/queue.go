package journal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// slowAfter is how long an entry may wait until the store counts as slow.
const slowAfter = 2 * time.Second

// batch is what waits to be stored as one message.
type batch struct {
	number uint64
	body   []byte // the entries
	items  []item
	since  time.Time // when its first entry came
	before uint64    // the number of the batch with entries that comes before it
	start  uint64    // the bytes of entries that come before it
}

// end is where the next batch starts.
func (b *batch) end() uint64 { return b.start + uint64(len(b.body)) }

// item is what is kept of an entry until it is stored.
type item struct {
	call  string
	size  int
	final bool
	done  func(Position, error)
}

// maxSpares is how many batches are kept to be used again: one is written while the next
// ones fill.
const maxSpares = 4

// queue is where entries wait for the writer. An entry is written into its batch at
// once, so that the queue holds bytes and its size is known.
type queue struct {
	limit  int // bytes
	linger time.Duration
	wake   chan struct{} // has room for one: look again
	hurry  chan struct{} // has room for one: somebody waits, see Secure

	mu      sync.Mutex
	batches []*batch // the oldest first
	taken   bool     // the writer has the oldest: nothing may be added to it
	spares  []*batch // are used again
	number  uint64   // of the last batch
	filled  uint64   // the number of the last one for entries
	bytes   int

	total   uint64 // bytes of all entries that ever came
	stored  uint64 // the log has those before it
	written uint64 // and the files ahead
	secured []secured
	over    bool // nothing more will be stored

	offline error // there is no connection
	fault   error // the last attempt to store has failed
	closed  bool
}

// add takes an entry in, or says why not.
func (q *queue) add(e *Entry, done func(Position, error)) error {
	n := size(e)
	if n > MaxEntry {
		return fmt.Errorf("%w: call %s, event %s has %d", ErrTooLarge, e.Call, e.Event, n)
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refuses(e.Seq <= 1, n); err != nil {
		return err
	}
	b := q.open(n)
	before := len(b.body)
	b.body = appendEntry(b.body, e, e.Time.UnixNano())
	n = len(b.body) - before
	b.items = append(b.items, item{call: e.Call, size: n, final: e.Final, done: done})
	q.bytes += n
	q.total = b.end()
	return nil
}

// refuses tells why an entry of n bytes is not taken. A new call may use a quarter of
// the room, and only while the store does well: the rest is for calls that run.
func (q *queue) refuses(opens bool, n int) error {
	if q.closed {
		return ErrClosed
	}
	if q.bytes+n > q.limit {
		return q.why()
	}
	if opens {
		return q.trouble()
	}
	return nil
}

func (q *queue) why() error {
	if err := q.down(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %d bytes wait", ErrBehind, q.bytes)
}

func (q *queue) down() error {
	if q.offline != nil {
		return q.offline
	}
	return q.fault
}

// trouble tells what is wrong, if anything.
func (q *queue) trouble() error {
	if err := q.down(); err != nil {
		return err
	}
	if q.bytes > q.limit/4 {
		return q.why()
	}
	if len(q.batches) > 0 {
		if d := time.Since(q.batches[0].since); d > slowAfter {
			return fmt.Errorf("%w: the oldest entry waits for %v", ErrBehind, d.Round(time.Second))
		}
	}
	return nil
}

func (q *queue) health() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	return q.trouble()
}

// open gives the batch that takes n bytes more.
func (q *queue) open(n int) *batch {
	if i := len(q.batches) - 1; i > 0 || i == 0 && !q.taken {
		b := q.batches[i]
		if len(b.body)+n <= maxBatch && len(b.items) < maxEntries {
			return b
		}
	}
	var b *batch
	if n := len(q.spares); n > 0 {
		b, q.spares = q.spares[n-1], q.spares[:n-1]
	}
	if b == nil {
		b = &batch{}
	}
	q.number++
	b.number, b.since = q.number, time.Now()
	b.before, b.start = q.filled, q.total
	q.filled = b.number
	q.batches = append(q.batches, b)
	q.poke()
	return b
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives the oldest batch to the writer, which gives it back by drop. It waits
// until the last one is linger ago, or a batch is full. After idle it gives an empty
// batch; nil when the queue is closed and empty, or ctx is over.
func (q *queue) take(ctx context.Context, last time.Time, idle time.Duration) *batch {
	asleep := time.Now().Add(idle)
	for {
		b, wait := q.ready(last)
		if b != nil || wait < 0 {
			return b
		}
		now := time.Now()
		if wait == 0 && !now.Before(asleep) {
			return q.empty()
		}
		if wait == 0 {
			wait = asleep.Sub(now)
		}
		t := time.NewTimer(wait)
		select {
		case <-q.wake:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		t.Stop()
	}
}

// ready gives the batch that is due, or how long to wait for it; 0 when none is there,
// -1 when none will come.
func (q *queue) ready(last time.Time) (*batch, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.batches) == 0 && q.closed:
		return nil, -1
	case len(q.batches) == 0:
		return nil, 0
	}
	wait := q.linger - time.Since(last)
	if wait > 0 && len(q.batches) == 1 && !q.closed {
		return nil, wait
	}
	q.taken = true
	return q.batches[0], 0
}

// empty gives a batch without entries, unless one with entries has come.
func (q *queue) empty() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = true
	if len(q.batches) == 0 {
		q.number++
		q.batches = append(q.batches, &batch{number: q.number, since: time.Now(), start: q.total})
	}
	return q.batches[0]
}

// drop forgets the batch that the writer has, and lets go on who has waited for it.
func (q *queue) drop(b *batch) { q.release(func() { q.forget(b) }) }

// forget takes out the oldest batch; q.mu is held.
func (q *queue) forget(b *batch) {
	q.stored = b.end()
	q.batches = slices.Delete(q.batches, 0, 1)
	q.taken = false
	q.bytes -= len(b.body)
	if cap(b.body) <= 2*maxBatch && len(q.spares) < maxSpares {
		clear(b.items)
		*b = batch{body: b.body[:0], items: b.items[:0]}
		q.spares = append(q.spares, b)
	}
}

// fail notes that the store did not take a batch; nil that it did.
func (q *queue) fail(err error) (changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	changed = (q.fault == nil) != (err == nil)
	q.fault = err
	return changed
}

// connected notes whether there is a connection: nil if so.
func (q *queue) connected(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.offline = err
}

// close lets nothing more in.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.poke()
}

// rest gives what nobody will store.
func (q *queue) rest() []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.batches
	q.batches, q.bytes = nil, 0
	return b
}
