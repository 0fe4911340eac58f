// Package heap owns how often this process collects garbage. By itself Go does so each
// time that the heap has doubled. A server with a small heap and many calls a second would
// collect several times a second, and most of its work would be that; one with many calls
// that stand, and little to do, would keep as much garbage as it has calls. Here what the
// heap may grow by follows the load: what it allocates in the time after which another
// collection costs next to nothing.
//
// Goroutines: one from Start to Close.
package heap

import (
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// every is how often the load is looked at.
	every = 500 * time.Millisecond
	// restAfter is after how many looks without a load what it has left is given back.
	restAfter = 10
	// between is the time from one collection to the next that is wanted, at least: while
	// one runs, calls take longer.
	between = 10 * time.Second
	// A collection looks at as many bytes of live heap a second of a core, about: of what
	// calls are made of, small things that point to one another. It may take a part of a
	// core in so many.
	speed, part = 448 << 20, 25
	// the heap may always grow by a sixteenth, and some.
	leastShare, least = 16, 8 << 20
	// heapShare is the part of the memory that the whole heap may take, garbageShare that
	// of garbage, which is at most mostGarbage, too.
	heapShare, garbageShare, mostGarbage = 0.9, 0.0625, 512 << 20
	// usual is GOGC as Go has it: garbage as large as what lives.
	usual = 100
	// smallest is the least live heap that is counted with: GOGC is a share of it.
	smallest = 4 << 20
)

// Tuner sets GOGC for the load. Use Start.
type Tuner struct {
	most   uint64 // garbage, bytes
	rate   uint64 // bytes a second, of late
	allocs uint64 // at the last look
	at     time.Time
	now    int // GOGC
	rest   int // looks in a row without a load
	done   chan struct{}
	ended  chan struct{}
}

// Start has Go collect as the load wants it, and keeps the process below the memory limit
// of its control group, if it has one. GOGC and GOMEMLIMIT in the environment go before,
// each for itself.
func Start(log *slog.Logger) *Tuner {
	memory, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		log.Warn("how much memory there is cannot be seen: garbage is collected as usual", "err", err)
		return nil
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(memory) * heapShare))
	}
	if os.Getenv("GOGC") != "" {
		return nil
	}
	t := &Tuner{most: min(uint64(float64(memory)*garbageShare), mostGarbage), at: time.Now(), now: usual, done: make(chan struct{}), ended: make(chan struct{})}
	t.allocs, _ = look()
	go t.run()
	return t
}

// Close ends the goroutine. It may be called on nil.
func (t *Tuner) Close() {
	if t == nil {
		return
	}
	close(t.done)
	<-t.ended
}

func (t *Tuner) run() {
	defer close(t.ended)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.tune(now)
		case <-t.done:
			return
		}
	}
}

func (t *Tuner) tune(now time.Time) {
	allocs, live := look()
	t.rate = smooth(t.rate, uint64(float64(allocs-t.allocs)/now.Sub(t.at).Seconds()))
	t.allocs, t.at = allocs, now
	if gogc := t.percent(live); differs(gogc, t.now) {
		t.now = gogc
		debug.SetGCPercent(gogc)
	}
	if t.rests(live) {
		debug.FreeOSMemory()
	}
}

// rests tells, once, that the load has ended some seconds ago. What it has left behind
// would stay for minutes: who allocates next to nothing does not collect.
func (t *Tuner) rests(live uint64) bool {
	if t.wanted(live) > atRest(live) {
		t.rest = 0
		return false
	}
	t.rest++
	return t.rest == restAfter
}

// smooth follows a rise at once and a fall within seconds: a pause in the load is short
// more often than not.
func smooth(old, now uint64) uint64 { return max(now, old/2) }

// percent is GOGC for the load, and for what lives.
func (t *Tuner) percent(live uint64) int {
	live = max(live, smallest)
	return int(max(t.wanted(live), atRest(live)) * 100 / live) //nolint:gosec // a share of the memory
}

// wanted is the garbage that the load wants, in bytes.
func (t *Tuner) wanted(live uint64) uint64 {
	seconds := max(between.Seconds(), float64(live)*part/speed)
	return min(uint64(float64(t.rate)*seconds), t.most)
}

// atRest is the garbage that there may always be.
func atRest(live uint64) uint64 { return live/leastShare + least }

// differs tells whether it is worth to change: that stops the process for a moment.
func differs(a, b int) bool { return a > b+b/4 || b > a+a/4 }

// look reads the bytes that were allocated so far, and those that lived at the end of the
// last collection.
func look() (allocs, live uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
