// Package overload owns how many new calls are taken when there is more to do than the
// processors can: calls that were taken go before new ones, and who is refused is told at
// once, for next to nothing.
//
// The signs of overload are how long goroutines that could run have waited for a processor,
// how many wait, which is seen earlier and does not tell how long it will take, and how long
// messages of calls have waited to be read. While one is there, the rate of new calls is cut,
// and else raised again by and by.
package overload

import (
	"log/slog"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// every is how often it is looked for the signs.
const every = 10 * time.Millisecond

// Control admits new calls. Use New.
type Control struct {
	log    *slog.Logger
	behind func() time.Duration

	mu      sync.Mutex
	gate    gate
	waits   *waits
	refused int // since refusing began
}

// New makes a Control. behind tells how long messages of calls have waited at most until
// they were read, of those since it was asked last.
func New(behind func() time.Duration, log *slog.Logger) *Control {
	c := &Control{log: log, behind: behind, waits: newWaits()}
	c.gate.at, c.gate.levels = time.Now(), levels(runtime.GOMAXPROCS(0))
	return c
}

// Admit tells whether a new call is taken. It looks for the signs if that was long enough
// ago: while nobody calls, nobody has to be woken up to look.
func (c *Control) Admit() bool {
	c.mu.Lock()
	var tell func()
	if now := time.Now(); now.Sub(c.gate.at) >= every {
		wait, waiting := c.waits.since()
		tell = c.look(now, max(wait, c.behind()), waiting)
	}
	ok := c.gate.admit()
	if !ok {
		c.refused++
	}
	c.mu.Unlock()
	if tell != nil {
		tell()
	}
	return ok
}

// look takes how long it has been waited of late, and how many goroutines wait. It gives
// what is to be told then, nil for nothing. c.mu is held.
func (c *Control) look(now time.Time, wait time.Duration, waiting int) (tell func()) {
	before := c.gate.limited
	c.gate.look(now, wait, waiting)
	limited, rate, refused := c.gate.limited, c.gate.rate, c.refused
	switch {
	case limited && !before:
		return func() {
			c.log.Warn("overload: new calls are refused", "calls_a_second", int(rate), "wait_ms", float64(wait.Microseconds())/1000)
		}
	case before && !limited && refused > 0:
		c.refused = 0
		return func() { c.log.Info("overload has ended: all new calls are taken", "refused", refused) }
	default:
		return nil
	}
}

// waits reads how long goroutines wait to run.
type waits struct {
	sample []metrics.Sample
	before []uint64
}

func newWaits() *waits {
	w := &waits{sample: []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/goroutines/runnable:goroutines"}}}
	w.since()
	return w
}

// since is how long nine of ten have waited at most since it was asked last, and how many
// wait now.
func (w *waits) since() (wait time.Duration, waiting int) {
	metrics.Read(w.sample)
	waiting = int(w.sample[1].Value.Uint64()) //nolint:gosec // so many fit into the memory
	h := w.sample[0].Value.Float64Histogram()
	if w.before == nil {
		w.before = make([]uint64, len(h.Counts))
	}
	defer copy(w.before, h.Counts)
	total := uint64(0)
	for i, n := range h.Counts {
		total += n - w.before[i]
	}
	above := uint64(0)
	for i := len(h.Counts) - 1; i >= 0; i-- {
		if above += h.Counts[i] - w.before[i]; above*10 > total {
			return time.Duration(h.Buckets[i] * float64(time.Second)), waiting // the lower end
		}
	}
	return 0, waiting
}
