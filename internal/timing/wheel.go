// Package timing owns one hierarchical timing wheel: many timers, most of them
// stopped before they fire, each started and stopped in constant time.
//
// A Wheel runs one goroutine between Start and Close. It sleeps until the next
// timer is due, and for ever while there is none. It never fires a timer early,
// and up to one Tick late. All timers fire on that goroutine, one after the other,
// so what an Owner does when it is told must be short.
package timing

import (
	"sync"
	"time"
)

// Tick is the resolution of the wheel. SIP's shortest timer has 500 ms
// (RFC 3261 section 17.1.1.1).
const Tick = 10 * time.Millisecond

// Together is how late timers of StartAbout may be.
const Together = 100 * time.Millisecond

const (
	slotBits = 6
	slots    = 1 << slotBits // of each level
	levels   = 5             // 64**5 ticks: 124 days
	longest  = 1<<(slotBits*levels) - 1
)

// Owner is told that a timer of its own has fired. id is what it gave to Start.
//
// A timer may fire while its owner is just stopping it: the owner must be able to
// tell from its own state that a timer has no meaning any more.
type Owner interface {
	Fired(id uint8)
}

// Timer is one timer, to be embedded in what owns it. The zero value is a stopped
// timer. It must not be copied while it runs.
type Timer struct {
	next, prev *Timer
	owner      Owner
	expires    int64 // tick
	id         uint8
}

// Wheel keeps running timers. Use New.
type Wheel struct {
	mu      sync.Mutex
	begin   time.Time
	now     int64 // the last tick that was worked off
	sleeps  int64 // the tick at which the goroutine wakes; 0 while it works
	running int
	slot    [levels][slots]Timer // list heads
	used    [levels]uint64       // a bit for each slot that may hold a timer

	wake chan struct{}
	quit chan struct{}
	done chan struct{}
}

// New makes a wheel and starts its goroutine, which Close ends.
func New() *Wheel {
	w := &Wheel{begin: time.Now(), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	for l := range w.slot {
		for i := range w.slot[l] {
			head := &w.slot[l][i]
			head.next, head.prev = head, head
		}
	}
	go w.run()
	return w
}

// Close ends the goroutine and waits for it; timers that run never fire.
func (w *Wheel) Close() {
	close(w.quit)
	<-w.done
}

// Start lets t fire after d, at the earliest. A timer that runs already is set
// anew.
func (w *Wheel) Start(t *Timer, d time.Duration, o Owner, id uint8) {
	w.start(t, ceilTicks(time.Since(w.begin)+max(d, 0)), o, id)
}

// StartAbout is Start for a timer that is not missed when it fires up to Together late, with
// others: many of them wake the process up ten times a second, not a hundred times.
func (w *Wheel) StartAbout(t *Timer, d time.Duration, o Owner, id uint8) {
	const grid = int64(Together / Tick)
	w.start(t, (ceilTicks(time.Since(w.begin)+max(d, 0))+grid-1)/grid*grid, o, id)
}

// start lets t fire at a tick.
func (w *Wheel) start(t *Timer, expires int64, o Owner, id uint8) {
	w.mu.Lock()
	if t.next != nil {
		w.unlink(t)
	}
	t.owner, t.id, t.expires = o, id, expires
	if w.running == 0 {
		w.now = max(w.now, int64(time.Since(w.begin)/Tick))
	}
	w.running++
	w.link(t)
	early := w.sleeps != 0 && t.expires < w.sleeps
	if early {
		w.sleeps = t.expires
	}
	w.mu.Unlock()
	if early {
		w.nudge()
	}
}

// Stop takes t off the wheel, and tells whether it was still to fire.
func (w *Wheel) Stop(t *Timer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next == nil {
		return false
	}
	w.unlink(t)
	t.owner = nil
	return true
}

// Left is how long t runs still, 0 when it does not.
func (w *Wheel) Left(t *Timer) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next == nil {
		return 0
	}
	return max(0, time.Duration(t.expires)*Tick-time.Since(w.begin))
}

// Running is the number of timers that have not fired.
func (w *Wheel) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

func ceilTicks(d time.Duration) int64 { return int64((d + Tick - 1) / Tick) }

func (w *Wheel) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// link files t under the lowest level whose span still covers its delay.
func (w *Wheel) link(t *Timer) {
	at := min(max(t.expires, w.now+1), w.now+longest)
	level := 0
	for level < levels-1 && (at>>(slotBits*level))-(w.now>>(slotBits*level)) >= slots {
		level++
	}
	i := (at >> (slotBits * level)) & (slots - 1)
	head := &w.slot[level][i]
	t.prev, t.next = head.prev, head
	head.prev.next, head.prev = t, t
	w.used[level] |= 1 << i
}

func (w *Wheel) unlink(t *Timer) {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	w.running--
}

// take empties a slot and returns its timers as a chain through next.
func (w *Wheel) take(level int, i int64) *Timer {
	if w.used[level]&(1<<i) == 0 {
		return nil
	}
	w.used[level] &^= 1 << i
	head := &w.slot[level][i]
	if head.next == head {
		return nil
	}
	first := head.next
	head.prev.next = nil
	head.next, head.prev = head, head
	return first
}

func (w *Wheel) run() {
	defer close(w.done)
	sleep := time.NewTimer(time.Hour)
	defer sleep.Stop()
	for {
		due := w.advance()
		if due != nil {
			w.fire(due)
			continue
		}
		d, some := w.untilNext()
		if some {
			sleep.Reset(d)
		} else {
			sleep.Stop()
		}
		select {
		case <-sleep.C:
		case <-w.wake:
		case <-w.quit:
			return
		}
	}
}

// fired is a timer that is due, out of the wheel's hands.
type fired struct {
	owner Owner
	id    uint8
}

func (w *Wheel) fire(due []fired) {
	for i := range due {
		due[i].owner.Fired(due[i].id)
	}
}

// advance works off ticks until one had timers that are due, or until now.
func (w *Wheel) advance() []fired {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sleeps = 0
	now := int64(time.Since(w.begin) / Tick)
	if w.running == 0 {
		w.now = max(w.now, now)
		return nil
	}
	for w.now < now {
		w.now++
		w.cascade()
		if due := w.expire(w.take(0, w.now&(slots-1))); due != nil {
			return due
		}
	}
	return nil
}

// cascade refiles the timers of upper levels whose slot begins with this tick.
func (w *Wheel) cascade() {
	for level := 1; level < levels; level++ {
		if w.now&(1<<(slotBits*level)-1) != 0 {
			return
		}
		t := w.take(level, (w.now>>(slotBits*level))&(slots-1))
		for t != nil {
			next := t.next
			if t.expires <= w.now {
				// Due in this very tick, which expire works off next.
				t.expires = w.now
				w.fileNow(t)
			} else {
				w.link(t)
			}
			t = next
		}
	}
}

func (w *Wheel) fileNow(t *Timer) {
	i := w.now & (slots - 1)
	head := &w.slot[0][i]
	t.prev, t.next = head.prev, head
	head.prev.next, head.prev = t, t
	w.used[0] |= 1 << i
}

// expire takes a chain of timers off the wheel. A timer that was set for longer
// than the wheel spans is filed again.
func (w *Wheel) expire(t *Timer) []fired {
	var due []fired
	for t != nil {
		next := t.next
		if t.expires > w.now {
			w.link(t)
		} else {
			due = append(due, fired{t.owner, t.id})
			t.next, t.prev, t.owner = nil, nil, nil
			w.running--
		}
		t = next
	}
	return due
}

// untilNext is how long the goroutine may sleep; some is false without timers. It
// looks only at slots: a stopped timer may cost one needless wake-up.
func (w *Wheel) untilNext() (d time.Duration, some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == 0 {
		w.sleeps = 1<<63 - 1
		return 0, false
	}
	next := w.now + slots
	for i := w.now + 1; i < w.now+slots; i++ {
		boundary := i&(slots-1) == 0
		if w.used[0]&(1<<(i&(slots-1))) != 0 || boundary && w.cascades(i) {
			next = i
			break
		}
	}
	w.sleeps = next
	return max(time.Until(w.begin.Add(time.Duration(next)*Tick)), 0), true
}

// cascades tells whether an upper level has something to hand down at that tick.
func (w *Wheel) cascades(tick int64) bool {
	for level := 1; level < levels; level++ {
		if tick&(1<<(slotBits*level)-1) != 0 {
			return false
		}
		if w.used[level]&(1<<((tick>>(slotBits*level))&(slots-1))) != 0 {
			return true
		}
	}
	return false
}
