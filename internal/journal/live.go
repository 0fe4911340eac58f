package journal

import (
	"container/list"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// window is how many bytes of the log stand between the oldest message that is still
// needed and the end, at least; see lagging. It is what a start has to read.
const window = 16 << 20

// index knows where the last entry of every call that lives is stored. It is what
// recovery needs, and it is small: no state of a call is kept in memory.
type index struct {
	maxAge time.Duration // for which the log is kept; 0: for ever

	mu    sync.Mutex
	calls map[string]*list.Element // of *place
	order list.List                // by position, the lowest first
	end   int64                    // bytes of log so far
	bytes int64                    // of the last entries of all calls
	edge  uint64                   // what is before this message is about to go; see survey
}

type place struct {
	call string
	pos  Position
	size int
	end  int64 // bytes of log up to its message
	at   time.Time
}

// put notes the last entry of a call.
func (x *index) put(call string, p Position, size int, final bool, at time.Time) {
	e, known := x.calls[call]
	if final {
		if known {
			x.remove(e)
		}
		return
	}
	if !known {
		e = x.order.PushBack(&place{call: call})
		x.calls[call] = e
	}
	v := placeOf(e)
	x.bytes += int64(size - v.size)
	v.pos, v.size, v.end, v.at = p, size, x.end, at
	x.order.MoveToBack(e)
}

func placeOf(e *list.Element) *place { return e.Value.(*place) } // the list has nothing else

func (x *index) remove(e *list.Element) {
	v := placeOf(e)
	x.bytes -= int64(v.size)
	x.order.Remove(e)
	delete(x.calls, v.call)
}

// stored notes a message that is in the log.
func (x *index) stored(message uint64, copies []copied, b *batch, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, c := range copies {
		if _, lives := x.calls[c.call]; lives {
			x.put(c.call, position(message, i), len(c.whole), false, at)
		}
		x.end += int64(len(c.whole))
	}
	for i, it := range b.items {
		x.put(it.call, position(message, len(copies)+i), it.size, it.final, at)
	}
	x.end += int64(len(b.body))
}

// read notes a message that was read at the start.
func (x *index) read(m *message) (head, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.end += int64(len(m.data))
	return records(m.data, func(i int, r *record) bool {
		x.put(string(r.call), position(m.seq, i), len(r.whole), r.flags&flagFinal != 0, m.at)
		return true
	})
}

// low is the first message that is needed; 0 when none is.
func (x *index) low() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if f := x.order.Front(); f != nil {
		return placeOf(f).pos.message()
	}
	return 0
}

// lagging gives the calls whose last entry is so far back that it has to be copied to
// the end, the oldest first, at most n. Standing calls of b bytes are copied once in
// 4b bytes of log, so that copies are at most a quarter of it, and before they go.
func (x *index) lagging(n int, now time.Time) []place {
	x.mu.Lock()
	defer x.mu.Unlock()
	far := max(window, 4*x.bytes)
	var all []place
	for e := x.order.Front(); e != nil && len(all) < n; e = e.Next() {
		v := placeOf(e)
		old := x.maxAge > 0 && now.Sub(v.at) > x.maxAge/2
		if x.end-v.end <= far && v.pos.message() >= x.edge && !old {
			break
		}
		all = append(all, *v)
	}
	return all
}

// endangered notes that what is before a message is about to go.
func (x *index) endangered(edge uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.edge = edge
}

// forget drops a call whose last entry cannot be read, unless it has a newer one.
func (x *index) forget(p *place) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e, ok := x.calls[p.call]; ok && placeOf(e).pos == p.pos {
		x.remove(e)
	}
}

// snapshot gives where the last entries are.
func (x *index) snapshot() map[Position]string {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make(map[Position]string, len(x.calls))
	for _, e := range x.calls {
		all[placeOf(e).pos] = placeOf(e).call
	}
	return all
}

// Live gives the last entry of every call of this node that has no final one, with its
// State, the oldest first. It is read from the store. What cannot be read is an error
// at the end.
func (j *Journal) Live(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		want := j.index.snapshot()
		if len(want) == 0 {
			return
		}
		all := slices.Collect(maps.Keys(want))
		goOn, err := j.live(ctx, want, slices.Min(all).message(), slices.Max(all).message(), yield)
		if !goOn {
			return
		}
		if err == nil && len(want) > 0 {
			err = fmt.Errorf("the last entries of %d calls cannot be read", len(want))
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// live reads messages first to last and takes what it gives out of want.
func (j *Journal) live(ctx context.Context, want map[Position]string, first, last uint64,
	yield func(Entry, error) bool,
) (goOn bool, err error) {
	goOn = true
	for m := range j.until(ctx, first, last) {
		_, err = records(m.data, func(i int, r *record) bool {
			p := position(m.seq, i)
			if call, ok := want[p]; ok && call == string(r.call) {
				delete(want, p)
				e := r.entry(p)
				e.State = r.state
				goOn = yield(e, nil)
			}
			return goOn
		})
		if err != nil {
			j.complain(m.seq, err)
		}
		if !goOn {
			return false, nil
		}
	}
	return true, j.over(ctx)
}

// replay builds the index from the log.
func (j *Journal) replay(ctx context.Context) error {
	last, err := j.last(ctx)
	if err != nil || last == nil {
		return err
	}
	h, _, err := cutHead(last.data)
	if err != nil {
		j.complain(last.seq, err)
	}
	if h.low == 0 && err == nil {
		h.low = last.seq // after a message that cannot be read: everything from 0 on
	}
	for m := range j.until(ctx, h.low, last.seq) {
		if _, err := j.index.read(&m); err != nil {
			j.complain(m.seq, err)
		}
	}
	return j.over(ctx)
}

func newIndex(maxAge time.Duration) *index {
	x := &index{calls: make(map[string]*list.Element), maxAge: maxAge}
	x.order.Init()
	return x
}
