package control

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/timing"
)

// A call may outlive the time of its record. Then it is looked at every recheck and
// given grace anew, so that a client that asks once a second still sees how it ended:
// for grace-recheck at least, for grace at most. A hundred thousand calls that stand are
// looked at ten thousand times a second.
const (
	recheck = 10 * time.Second
	grace   = 13 * time.Second
)

// key is by what the old interface finds a call again: the URIs of the agent, of the
// calling and of the called party (CONTRACT 5.6).
type key struct{ agent, calling, called string }

func keyOf(o *call.Order) key { return key{o.Agent.URI, o.Caller.URI, o.Callee.URI} }

// records keeps the last call of each key, and starts the calls one after the other:
// of several calls of one key at once, one is left and none rings beside it.
type records struct {
	wheel *timing.Wheel
	begin time.Time
	seed  maphash.Seed
	count atomic.Int64
	shard [64]shard
}

type shard struct {
	all *records

	mu   sync.RWMutex
	m    map[uint64]*record // by the hash of their key, which is a third of its size
	most int                // records since the map was made
}

// record is one key's call. A standing call has one: keep it small.
type record struct {
	shard   *shard
	running *engine.Running // the newest; its order has the key
	expires time.Duration   // since records.begin
	at      *key            // nil for the key of the call's order
	next    *record         // of another key with the same hash
	turn    turn
	timer   timing.Timer
}

// turn tells how far the newest call of a record is. Whoever finds a record idle
// brings the calls on; everyone else leaves his call there and goes.
type turn uint8

const (
	idle     turn = iota // it was started, or tried to
	waiting              // it was not taken up yet
	starting             // the one before it is being hung up, then it is started
)

func newRecords(w *timing.Wheel) *records {
	s := &records{wheel: w, begin: time.Now(), seed: maphash.MakeSeed()}
	for i := range s.shard {
		s.shard[i].all = s
	}
	return s
}

// of gives the shard of a key, and its hash.
func (s *records) of(k key) (*shard, uint64) {
	h := maphash.Comparable(s.seed, k)
	return &s.shard[h%uint64(len(s.shard))], h
}

func (s *records) len() int { return int(s.count.Load()) }

func (s *records) now() time.Duration { return time.Since(s.begin) }

// get gives the newest call of a key.
func (s *records) get(k key) (*engine.Running, bool) {
	sh, h := s.of(k)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	r := sh.find(h, k)
	if r == nil || r.stale() || !concerns(r.running.Snapshot(), k) {
		return nil, false
	}
	return r.running, true
}

// busy tells whether a call of INVITE mode lives under a key.
func (s *records) busy(k key) bool {
	r, ok := s.get(k)
	return ok && stays(r.Snapshot())
}

// stays tells that a call is of INVITE mode and lives.
func stays(c *call.Call) bool { return c.Order.Mode == call.ByStay && c.State != call.Ended }

// concerns tells whether a call goes by that key now: a transfer gives it another one,
// and while it is under way both count (CONTRACT 3.8).
func concerns(c *call.Call, k key) bool {
	caller, callee := c.Parties()
	if k.calling == caller.URI && k.called == callee.URI {
		return true
	}
	t := c.Transferral()
	return t.Target != nil && k == transferredKey(c, t.Target, t.Replaced)
}

// transferredKey is the key of a call when target has taken the place of a party.
func transferredKey(c *call.Call, target *call.Party, replaced call.Leg) key {
	caller, callee := c.Parties()
	k := key{c.Order.Agent.URI, caller.URI, callee.URI}
	if replaced == call.Callee {
		k.called = target.URI
	} else {
		k.calling = target.URI
	}
	return k
}

// stale tells whether nobody is to see the record any more.
func (r *record) stale() bool {
	return r.shard.all.now() >= r.expires && r.running.Snapshot().Over()
}

// put makes a new call its key's call, hangs up the one before, and starts it. When
// another goroutine is at that just now, it is left to that goroutine. It refuses a
// call of INVITE mode beside one that lives.
func (s *records) put(running *engine.Running, keep time.Duration) bool {
	k := keyOf(running.Snapshot().Order)
	sh, h := s.of(k)
	sh.mu.Lock()
	r := sh.find(h, k)
	if r == nil {
		r = &record{shard: sh}
		sh.add(h, r)
	}
	before, was := r.running, r.turn
	if before != nil && !concerns(before.Snapshot(), k) {
		before = nil // It was transferred and goes by another key.
	}
	if before != nil && running.Snapshot().Order.Mode == call.ByStay && stays(before.Snapshot()) {
		sh.mu.Unlock()
		return false
	}
	replaced := r.running
	r.running, r.at, r.turn, r.expires = running, nil, waiting, s.now()+keep
	s.wheel.Start(&r.timer, keep, r, 0)
	sh.mu.Unlock()
	forget(replaced)
	switch was {
	case idle:
		r.bringOn(before)
	case waiting: // It was never started, and ends unheard.
		before.Post(call.Hangup{By: call.ByAgent})
	case starting: // Who starts it takes up the new one next.
	}
	return true
}

// forget tells a call that its record has gone to another one.
func forget(replaced *engine.Running) {
	if replaced != nil {
		replaced.Forget()
	}
}

// alias lets a call be found by a further key, and tells whether it was free.
func (s *records) alias(running *engine.Running, k key, keep time.Duration) bool {
	replaced, ok := s.replace(running, k, keep)
	if replaced != running {
		forget(replaced)
	}
	return ok
}

// replace is alias, and gives the call that had the key before; nil for none.
func (s *records) replace(running *engine.Running, k key, keep time.Duration) (replaced *engine.Running, ok bool) {
	sh, h := s.of(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r := sh.find(h, k)
	if r == nil {
		r = &record{shard: sh}
		sh.add(h, r)
	} else if r.running != running && r.turn != idle || !r.running.Snapshot().Over() && concerns(r.running.Snapshot(), k) {
		return nil, false
	}
	replaced, r.running, r.at, r.expires = r.running, running, &k, s.now()+keep
	s.wheel.Start(&r.timer, keep, r, 0)
	return replaced, true
}

func (r *record) key() key {
	if r.at != nil {
		return *r.at
	}
	return keyOf(r.running.Snapshot().Order)
}

// bringOn hangs the call before up and starts the newest, until there is no newer.
// Nothing is performed under the lock.
func (r *record) bringOn(before *engine.Running) {
	for {
		newest, ok := r.takeUp()
		if !ok {
			return
		}
		if before != nil {
			before.Post(call.Hangup{By: call.ByAgent})
		}
		newest.Post(call.Start{})
		before = newest
	}
}

func (r *record) takeUp() (newest *engine.Running, ok bool) {
	r.shard.mu.Lock()
	defer r.shard.mu.Unlock()
	if r.turn != waiting {
		r.turn = idle
		return nil, false
	}
	r.turn = starting
	return r.running, true
}

// Fired implements timing.Owner: the record's time is over.
func (r *record) Fired(uint8) {
	if gone := r.expire(); gone != nil {
		gone.Forget()
	}
}

// expire takes the record out and gives its call, or looks again later.
func (r *record) expire() *engine.Running {
	sh := r.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now, over := sh.all.now(), r.running.Snapshot().Over()
	switch {
	case now >= r.expires && over:
		sh.all.wheel.Stop(&r.timer) // It may have been set anew just now.
		_, h := sh.all.of(r.key())
		sh.remove(h, r)
		return r.running
	case !over && now+recheck > r.expires:
		r.expires = now + grace
		sh.all.wheel.StartAbout(&r.timer, recheck, r, 0)
	default: // A new call has set the timer anew, or the grace runs.
		sh.all.wheel.StartAbout(&r.timer, r.expires-now, r, 0)
	}
	return nil
}

// find gives the record of a key, nil for none; the caller has the lock.
func (sh *shard) find(h uint64, k key) *record {
	r := sh.m[h]
	for r != nil && r.key() != k {
		r = r.next
	}
	return r
}

// add puts a record in, under a key that has none; the caller has the lock.
func (sh *shard) add(h uint64, r *record) {
	if sh.m == nil {
		sh.m = make(map[uint64]*record)
	}
	sh.m[h], r.next = r, sh.m[h]
	sh.most = max(sh.most, len(sh.m))
	sh.all.count.Add(1)
}

// remove takes a record out; the caller has the lock. A map that has been large keeps
// its memory: when it is empty, it is given back.
func (sh *shard) remove(h uint64, r *record) {
	switch first := sh.m[h]; {
	case first != r:
		for first.next != r {
			first = first.next
		}
		first.next = r.next
	case r.next != nil:
		sh.m[h] = r.next
	default:
		delete(sh.m, h)
	}
	sh.all.count.Add(-1)
	if len(sh.m) == 0 && sh.most > 8 {
		sh.m, sh.most = nil, 0
	}
}
