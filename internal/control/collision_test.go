package control

import (
	"testing"

	"pgregory.net/rapid"
)

// TestCollision: records whose keys have the same hash are told apart.
func TestCollision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sh, want := &shard{all: &records{}}, map[key]*record{}
		keys := rapid.SliceOf(rapid.IntRange(0, 7)).Draw(t, "keys")
		for _, n := range keys {
			k, h := key{agent: string(rune('a' + n))}, uint64(n%2)
			switch r := sh.find(h, k); {
			case r != want[k]:
				t.Fatalf("%v is found as %v", k, r)
			case r == nil:
				want[k] = &record{shard: sh, at: &k}
				sh.add(h, want[k])
			default:
				sh.remove(h, r)
				delete(want, k)
			}
			if sh.all.len() != len(want) {
				t.Fatalf("%d records are counted, there are %d", sh.all.len(), len(want))
			}
		}
	})
}
