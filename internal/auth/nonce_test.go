package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Row Z09: however few nonces are remembered, no count of one is taken twice, and
// nothing that is older than nonceLife is taken at all.
func TestZ09NoCountIsTakenTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newNonces(rapid.IntRange(1, 4).Draw(rt, "limit"))
		type use struct {
			nonce
			count uint32
		}
		var issued []nonce
		taken := map[use]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"issue": func(rt *rapid.T) {
				n, ours := s.read(s.issue())
				if !ours {
					rt.Fatal("not ours")
				}
				issued = append(issued, n)
			},
			"time": func(rt *rapid.T) {
				s.start = s.start.Add(-time.Duration(rapid.IntRange(0, 200).Draw(rt, "seconds")) * time.Second)
			},
			"use": func(rt *rapid.T) {
				if len(issued) == 0 {
					return
				}
				u := use{rapid.SampledFrom(issued).Draw(rt, "nonce"), rapid.Uint32Range(1, 150).Draw(rt, "count")}
				got := s.use(u.nonce, u.count)
				if got == fresh && (taken[u] || s.now()-u.issued > nonceLife+time.Second) {
					rt.Fatalf("%+v was taken", u)
				}
				taken[u] = taken[u] || got == fresh
			},
			"": func(rt *rapid.T) {
				if len(s.used) > s.limit || len(s.oldest) != len(s.used) {
					rt.Fatalf("%d nonces and %d in order, of %d at most", len(s.used), len(s.oldest), s.limit)
				}
			},
		})
	})
}

// A nonce that is forgotten is stale, so that its client comes again with a new one; so
// is an older one that was never used, and a newer one is good.
func TestForgottenNonceIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNonces(2)
		var n [4]nonce
		for i := range n {
			n[i], _ = s.read(s.issue())
			time.Sleep(time.Second)
		}
		for i, want := range map[int]verdict{1: fresh, 2: fresh} {
			if got := s.use(n[i], 1); got != want {
				t.Errorf("nonce %d: %d", i, got)
			}
		}
		if s.use(n[3], 1) != fresh || s.use(n[1], 2) != stale || s.use(n[0], 1) != stale || s.use(n[2], 2) != fresh || s.use(n[2], 2) != replayed {
			t.Error("not what was forgotten is stale")
		}
	})
}

// Row Z10: what a Guard remembers is bounded, whoever sends what.
func TestZ10GuardIsBounded(t *testing.T) {
	g := NewGuard(60)
	g.users.limit = 100
	for i := range uint64(1000) {
		a := attempt{guard: g, user: i, pair: i}
		a.failed()
		if i%2 == 0 {
			a.succeeded()
		}
	}
	if g.users.order.Len() != 100 || len(g.users.entries) != 100 || len(g.sources.entries) != 1 {
		t.Errorf("%d names, %d sources", len(g.users.entries), len(g.sources.entries))
	}
	if g.users.find(899) != nil || g.users.find(900) == nil {
		t.Error("not the oldest was forgotten")
	}
}
