package transaction

import (
	"hash/maphash"
	"sync"
)

const shards = 64

// roomy is the number of entries from which on the room of a shard is given back
// when it is empty: a map never shrinks.
const roomy = 32

// keyed is a key of a table. What spreads it over the shards is a part of it that nearly
// always differs: to hash the whole key once more takes longer than the map does.
type keyed interface {
	comparable
	spread() string
}

func (k clientKey) spread() string { return k.branch }
func (k serverKey) spread() string { return k.branch }

// table is a map in shards, each with a lock of its own.
type table[K keyed, V any] struct {
	seed  maphash.Seed
	shard *[shards]shard[K, V]
}

type shard[K comparable, V any] struct {
	mu   sync.RWMutex
	m    map[K]V
	most int // entries that m has held at once
}

func newTable[K keyed, V any]() table[K, V] {
	t := table[K, V]{seed: maphash.MakeSeed(), shard: new([shards]shard[K, V])}
	for i := range t.shard {
		t.shard[i].m = make(map[K]V)
	}
	return t
}

func (t *table[K, V]) of(k K) *shard[K, V] {
	return &t.shard[maphash.String(t.seed, k.spread())%shards]
}

func (t *table[K, V]) get(k K) (V, bool) {
	s := t.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.m[k]
	return v, ok
}

// add stores v unless the key is taken, and tells whether it did.
func (t *table[K, V]) add(k K, v V) bool {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.m[k]; taken {
		return false
	}
	s.m[k] = v
	s.most = max(s.most, len(s.m))
	return true
}

func (t *table[K, V]) remove(k K) {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, k)
	if len(s.m) == 0 && s.most > roomy {
		s.m, s.most = make(map[K]V), 0
	}
}

func (t *table[K, V]) len() int {
	n := 0
	for i := range t.shard {
		t.shard[i].mu.RLock()
		n += len(t.shard[i].m)
		t.shard[i].mu.RUnlock()
	}
	return n
}
