package overload

import (
	"math"
	"time"
)

// level is a degree of overload: how long goroutines wait, or how many for each processor,
// when it is reached, and how many new calls a second are taken then in any case.
type level struct {
	wait   time.Duration
	crowd  int
	fewest float64
}

const (
	// sure is how many looks in a row have to see a wait: one may see a collection of garbage.
	sure = 3
	// between is the time between two cuts: it shows by then what the first one did.
	between = 120 * time.Millisecond
	// first is the part that is cut off at first, for what has come by then has to be done,
	// too; and least and deepest that of a later cut.
	first, least, deepest = 0.5, 0.1, 0.3
	// climb is the part by which the rate is raised in a second, and fast the same as long
	// as it is far below what it was before it was cut, or no cut has shown yet how much is
	// too much.
	climb, fast = 0.3, 4
	// fewest is how many new calls a second are taken in any case, spare how many at once, and
	// enough how many a second for each processor until the second level is reached: waiting
	// does not tell whether it is this process that has too much to do or the machine, and one
	// that has other work for a moment is not to cost those their calls who place few.
	fewest, spare, enough = 50, 20, 200
	// calm is for how long nobody has to be refused until no rate holds.
	calm = time.Second
	// burst is for which time calls may come at once.
	burst = 50 * time.Millisecond
	// memory is over which time it is counted how many calls were taken.
	memory = 200 * time.Millisecond
)

// levels are for so many processors; the last one is the worst. A crowd of the first is
// some ten milliseconds of work: fifty calls that are placed at once, one after the other
// ends, are thirty for each of two processors.
func levels(processors int) [2]level {
	return [2]level{
		{wait: 50 * time.Millisecond, crowd: 64 * processors, fewest: enough * float64(processors)},
		{wait: 100 * time.Millisecond, crowd: 200 * processors, fewest: fewest},
	}
}

// gate is a bucket of tokens whose rate follows the waiting time: cut by a part, raised
// by and by, as TCP does.
type gate struct {
	levels  [2]level
	at      time.Time // of the last look
	limited bool
	rate    float64   // calls a second, while limited
	tokens  float64   // while limited
	taken   float64   // calls since the last look
	usual   float64   // calls a second that were taken of late
	refused time.Time // when the last one was
	high    int       // looks in a row that have seen overload
	last    time.Time // when the rate was cut
	before  float64   // and what it was before cuts that followed one another
}

// admit tells whether a new call is taken.
func (g *gate) admit() bool {
	if g.limited {
		if g.tokens < 1 {
			g.refused = g.at
			return false
		}
		g.tokens--
	}
	g.taken++
	return true
}

// look takes how long it has been waited since the last look, and how many wait.
func (g *gate) look(now time.Time, wait time.Duration, waiting int) {
	passed := now.Sub(g.at)
	if passed <= 0 {
		return
	}
	g.count(passed)
	g.at = now
	if passed > calm {
		wait, g.high = 0, 0 // Long ago, or as good as never.
	}
	most := math.Inf(1)
	if l, by := g.level(wait, waiting); l != nil {
		if g.high++; (g.high >= sure || waiting > l.crowd) && now.Sub(g.last) >= between {
			g.cut(by, l)
		}
		if by > 1 {
			most = l.fewest // those who wait come first
		}
	} else {
		g.high = 0
		if g.limited = g.limited && now.Sub(g.refused) <= calm; g.limited {
			g.raise(passed)
		}
	}
	if g.limited {
		rate := min(g.rate, most)
		g.tokens = min(g.tokens+rate*passed.Seconds(), max(rate*burst.Seconds(), spare))
	}
}

// level is the worst that is reached, nil for none, and by how much more than the first one
// it is: 1 is as much again.
func (g *gate) level(wait time.Duration, waiting int) (reached *level, by float64) {
	for i := range g.levels {
		l := &g.levels[i]
		if wait > l.wait || waiting > l.crowd {
			reached = l
		}
	}
	first := &g.levels[0]
	return reached, max(float64(wait)/float64(first.wait), float64(waiting)/float64(first.crowd)) - 1
}

// count follows how many calls are taken.
func (g *gate) count(passed time.Duration) {
	weight := min(passed.Seconds()/memory.Seconds(), 1)
	g.usual += (g.taken/passed.Seconds() - g.usual) * weight
	g.taken = 0
}

// raise raises the rate by what the time brings.
func (g *gate) raise(passed time.Duration) {
	by := climb
	if g.rate < g.before/2 {
		by = fast
	}
	g.rate += g.rate * by * passed.Seconds()
}

// cut lowers the rate, the more the more is waited, but not below what the level leaves.
func (g *gate) cut(by float64, l *level) {
	if !g.limited {
		g.limited, g.tokens, g.refused, g.last = true, spare, g.at, g.at
		g.rate, g.before = max(g.usual*(1-first), l.fewest), math.Inf(1)
		return
	}
	now := g.rate
	if g.at.Sub(g.refused) > memory {
		now = min(now, g.usual) // What was not used of it does not count.
	}
	if g.at.Sub(g.last) > 5*between || math.IsInf(g.before, 1) {
		g.before = now // else it is still the same overload
	}
	part := least + (deepest-least)*min(by, 1)
	g.last, g.rate = g.at, max(now*(1-part), min(l.fewest, g.rate))
}
