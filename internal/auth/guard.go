package auth

import (
	"container/list"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// acquainted is how long a source counts as one that has logged in as a user.
	acquainted = 24 * time.Hour
	// maxRemembered bounds each table of a Guard: three of them take some 15 MB. What has
	// not failed for the longest time is forgotten first, with what is left of its
	// failures.
	maxRemembered = 1 << 15
)

// Guard slows down whoever guesses PINs. Each source (an IPv4 address, or an IPv6 /64
// network) and each login name has a budget of failures, which is given back at a
// steady rate; while it is spent, no PIN is looked at. A log-in that is right costs
// nothing.
//
// So that nobody can lock another out, a source that has lately logged in under a name
// has a budget of its own for that name, and neither what others do to the name nor
// what others do behind the same address spends it. The budget belongs to the login
// name as it is sent: one for name and aliases together would tell which belong
// together, and there is one for names of nobody too.
//
// Nothing is for ever, and all of it is forgotten when the process ends. All methods
// may be called at the same time.
type Guard struct {
	interval time.Duration // in which one failure is given back; 0: nothing is counted
	burst    int           // failures at once
	seed     maphash.Seed

	mu                    sync.Mutex
	sources, users, pairs table
}

// NewGuard makes a guard that gives back so many failures in an hour, a third of which
// may come at once. With zero it counts nothing.
func NewGuard(failures int) *Guard {
	g := &Guard{seed: maphash.MakeSeed()}
	for _, t := range []*table{&g.sources, &g.users, &g.pairs} {
		*t = table{limit: maxRemembered, entries: map[uint64]*list.Element{}}
	}
	if failures > 0 {
		g.interval, g.burst = time.Hour/time.Duration(failures), max(1, failures/3)
	}
	return g
}

// SlowDownError is for who has failed too often, or waited too long for his turn. The
// answer is 429 with Retry-After, and no challenge: whether the PIN is right was not
// looked at.
type SlowDownError struct {
	After  time.Duration
	Reason string // "too many ...", for the client
}

// Error implements error.
func (e *SlowDownError) Error() string {
	return fmt.Sprintf("%s; try again in %d seconds", e.Reason, int64((e.After+time.Second-1)/time.Second))
}

// attempt is one log-in. Names are kept as hashes, so that a long one takes no memory.
type attempt struct {
	guard              *Guard
	source, user, pair uint64
}

func (g *Guard) attempt(r *http.Request, login string) attempt {
	source := sourceOf(r.RemoteAddr)
	return attempt{
		guard:  g,
		source: maphash.Comparable(g.seed, source),
		user:   maphash.Comparable(g.seed, login),
		pair:   maphash.Comparable(g.seed, struct{ source, login string }{source.String(), login}),
	}
}

// sourceOf is the network that one client has: whoever has an IPv6 address has 2^64.
func sourceOf(peer string) netip.Prefix {
	p, err := netip.ParseAddrPort(peer)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := p.Addr().Unmap().WithZone(""), 64
	if addr.Is4() {
		bits = 32
	}
	network, _ := addr.Prefix(bits) // the address has that many bits
	return network
}

// admit gives a SlowDownError while a budget is spent.
func (a attempt) admit() error {
	g := a.guard
	if g.interval == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	var wait time.Duration
	if e := g.acquainted(a, now); e != nil {
		wait = g.wait(e, now)
	} else {
		wait = max(g.wait(g.sources.find(a.source), now), g.wait(g.users.find(a.user), now))
	}
	if wait > 0 {
		return &SlowDownError{After: wait, Reason: "too many failed log-ins"}
	}
	return nil
}

// failed charges the budgets that admit has looked at.
func (a attempt) failed() {
	g := a.guard
	if g.interval == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if e := g.acquainted(a, now); e != nil {
		g.charge(e, now)
		return
	}
	g.charge(g.sources.touch(a.source), now)
	g.charge(g.users.touch(a.user), now)
}

// succeeded notes that the source has logged in under the name.
func (a attempt) succeeded() {
	g := a.guard
	if g.interval == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pairs.touch(a.pair).login = time.Now()
}

// acquainted finds the entry of a source that has logged in under the name lately.
func (g *Guard) acquainted(a attempt, now time.Time) *entry {
	if e := g.pairs.find(a.pair); e != nil && now.Sub(e.login) < acquainted {
		return e
	}
	return nil
}

// wait is how long it takes until a failure fits into the budget.
func (g *Guard) wait(e *entry, now time.Time) time.Duration {
	if e == nil || e.settled.Before(now) {
		return 0
	}
	return max(0, e.settled.Sub(now)-time.Duration(g.burst-1)*g.interval)
}

func (g *Guard) charge(e *entry, now time.Time) {
	if e.settled.Before(now) {
		e.settled = now
	}
	e.settled = e.settled.Add(g.interval)
}

// entry is a budget. Of a failure there is nothing left but the time by which it is
// given back: each puts settled off by one interval.
type entry struct {
	key     uint64
	settled time.Time // when all failures are given back
	login   time.Time // of the last log-in that was right; of pairs only
}

// table is a bounded map. What was not touched for the longest time goes first.
type table struct {
	limit   int
	order   list.List // of *entry, the one touched last in front
	entries map[uint64]*list.Element
}

// find gives nil when there is none.
func (t *table) find(key uint64) *entry {
	if el := t.entries[key]; el != nil {
		return el.Value.(*entry) //nolint:forcetypeassert // the list holds nothing else
	}
	return nil
}

func (t *table) touch(key uint64) *entry {
	if el := t.entries[key]; el != nil {
		t.order.MoveToFront(el)
		return el.Value.(*entry) //nolint:forcetypeassert // as above
	}
	e := &entry{key: key}
	t.entries[key] = t.order.PushFront(e)
	if t.order.Len() > t.limit {
		last := t.order.Remove(t.order.Back()).(*entry) //nolint:forcetypeassert // as above
		delete(t.entries, last.key)
	}
	return e
}
