package overload

import "time"

const (
	// target is the waiting time up to which there is no overload, and sure is how many
	// looks in a row have to see more: one may see a collection of garbage.
	target = 100 * time.Millisecond
	sure   = 3
	// between is the time between two cuts: it shows by then what the first one did.
	between = 60 * time.Millisecond
	// first is the part that is cut off at first, for what has come by then has to be done,
	// too; and deepest that of a later cut, at most.
	first, deepest = 0.5, 0.3
	// climb is the part by which the rate is raised in a second, and fast the same as long
	// as it is far below what it was before it was cut.
	climb, fast = 0.5, 4
	// fewest is how many new calls a second are taken in any case, and spare how many at once:
	// a machine that stands still for a moment is not to cost those their calls who place few.
	fewest, spare = 50, 20
	// calm is for how long nobody has to be refused until no rate holds.
	calm = time.Second
	// burst is for which time calls may come at once.
	burst = 50 * time.Millisecond
	// memory is over which time it is counted how many calls were taken.
	memory = 200 * time.Millisecond
)

// gate is a bucket of tokens whose rate follows the waiting time: cut by a part, raised
// by and by, as TCP does.
type gate struct {
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

// look takes how long it has been waited since the last look, and whether many wait.
func (g *gate) look(now time.Time, wait time.Duration, crowded bool) {
	passed := now.Sub(g.at)
	if passed <= 0 {
		return
	}
	g.count(passed)
	g.at = now
	if wait > target || crowded {
		if g.high++; (g.high >= sure || crowded) && now.Sub(g.last) >= between {
			g.cut(wait)
		}
	} else {
		g.high = 0
		if g.limited = g.limited && now.Sub(g.refused) <= calm; g.limited {
			g.raise(passed)
		}
	}
	if g.limited {
		most := max(g.rate*burst.Seconds(), spare)
		g.tokens = min(g.tokens+g.rate*passed.Seconds(), most)
	}
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

// cut lowers the rate, the more the longer it is waited. What was not used of it does not
// count.
func (g *gate) cut(wait time.Duration) {
	part := deepest * min(float64(wait)/float64(2*target), 1)
	if !g.limited {
		g.limited, g.rate, g.tokens, g.refused = true, g.usual, spare, g.at
		part = first
	}
	now := min(g.rate, g.usual)
	if g.at.Sub(g.last) > 10*between {
		g.before = now // else it is still the same overload
	}
	g.last, g.rate = g.at, max(now*(1-part), fewest)
}
