package recorder

import (
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/internal/engine"
	"callcontroller/internal/timing"
)

// tick is how often it is looked for calls that have waited long enough.
const tick = Patience / 4

// queue has the calls that wait for the journal, the one that has waited longest first:
// so the journal answers.
type queue struct {
	wheel *timing.Wheel
	timer timing.Timer

	mu      sync.Mutex
	waiting []*waiter
	next    int // the first of waiting that counts
}

// waiter is a call that waits. It goes on once.
type waiter struct {
	running *engine.Running
	since   time.Time
	left    atomic.Bool
}

func (q *queue) add(r *engine.Running) *waiter {
	w := &waiter{running: r, since: time.Now()}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trim()
	if q.waiting = append(q.waiting, w); len(q.waiting) == 1 {
		q.wheel.Start(&q.timer, tick, q, 0)
	}
	return w
}

// trim drops those in front that have gone on; q.mu is held.
func (q *queue) trim() {
	for q.next < len(q.waiting) && q.waiting[q.next].left.Load() {
		q.waiting[q.next] = nil
		q.next++
	}
	if 2*q.next >= len(q.waiting) {
		n := copy(q.waiting, q.waiting[q.next:])
		clear(q.waiting[n:])
		q.waiting, q.next = q.waiting[:n], 0
	}
}

// safe is for the journal to call: a goroutine of its own lets the call go on, for the
// journal must not be held up.
func (w *waiter) safe() { go w.goOn() }

// goOn lets the call go on, unless it has.
func (w *waiter) goOn() {
	if !w.left.Swap(true) {
		w.running.GoOn()
	}
}

// Fired implements timing.Owner: who has waited long enough goes on.
func (q *queue) Fired(uint8) {
	now := time.Now()
	var impatient []*waiter
	q.mu.Lock()
	q.trim()
	for _, w := range q.waiting[q.next:] {
		if now.Sub(w.since) < Patience {
			break
		}
		impatient = append(impatient, w)
	}
	if len(q.waiting) > 0 {
		q.wheel.Start(&q.timer, tick, q, 0)
	}
	q.mu.Unlock()
	for _, w := range impatient {
		w.goOn()
	}
}
