package v1

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"callcontroller/internal/call"
)

// KeyTime is how long a key of Idempotency-Key is kept.
const KeyTime = 24 * time.Hour

// Digest is the SHA-256 of a request.
type Digest [sha256.Size]byte

// Entry is what is known of a key.
type Entry struct {
	Request Digest  // of the request that came with it first
	Call    call.ID // that request's call has this name, if it has come to one
	Answer  []byte  // JSON; nil while that request is under way
	Left    bool    // it is not under way any more: the process that had it has ended
	version uint64
}

// Keys remembers the keys of Idempotency-Key for KeyTime. All methods may be called at
// the same time.
type Keys interface {
	// Create takes a name in that is not there, with e.Request and e.Call, and tells so;
	// else it gives the entry that is there. Of many at once, one creates it.
	Create(ctx context.Context, name string, e Entry) (there Entry, created bool, err error)
	// Take makes an entry that was Left one of this process, unless another is faster.
	Take(ctx context.Context, name string, e Entry) (taken Entry, ok bool, err error)
	// Finish keeps the answer to the request of an entry that Create or Take has given.
	Finish(ctx context.Context, name string, e Entry, answer []byte) error
	// Release forgets the name: its request has come to nothing.
	Release(ctx context.Context, name string, e Entry) error
}

// keyCost is about what an entry takes besides its texts, in bytes.
const keyCost = 256

// MemoryKeys keeps the keys in memory: they end with the process. When there is no more
// room for them, the oldest are forgotten first. Use NewMemoryKeys.
type MemoryKeys struct {
	most int // bytes

	mu    sync.Mutex
	bytes int
	m     map[string]*list.Element // of kept
	order list.List                // the oldest in front
}

type kept struct {
	Entry
	name  string
	until time.Time
}

func (k *kept) cost() int { return keyCost + len(k.name) + len(k.Answer) }

// NewMemoryKeys makes one that takes about that many bytes.
func NewMemoryKeys(most int) *MemoryKeys {
	return &MemoryKeys{most: most, m: map[string]*list.Element{}}
}

// Create implements Keys.
func (m *MemoryKeys) Create(_ context.Context, name string, e Entry) (Entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.expire(now)
	if there, ok := m.m[name]; ok {
		return there.Value.(*kept).Entry, false, nil
	}
	k := &kept{Entry: e, name: name, until: now.Add(KeyTime)}
	m.m[name] = m.order.PushBack(k)
	m.bytes += k.cost()
	m.shrink()
	return k.Entry, true, nil
}

// Take implements Keys: what ends with the process is never Left.
func (*MemoryKeys) Take(context.Context, string, Entry) (Entry, bool, error) {
	return Entry{}, false, nil
}

// Finish implements Keys.
func (m *MemoryKeys) Finish(_ context.Context, name string, _ Entry, answer []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.m[name]; ok {
		k := e.Value.(*kept)
		m.bytes -= k.cost()
		k.Answer = answer
		m.bytes += k.cost()
		m.shrink()
	}
	return nil
}

// Release implements Keys.
func (m *MemoryKeys) Release(_ context.Context, name string, _ Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.m[name]; ok {
		m.remove(e)
	}
	return nil
}

// expire forgets those whose time is over; the caller has the lock.
func (m *MemoryKeys) expire(now time.Time) {
	for e := m.order.Front(); e != nil && now.After(e.Value.(*kept).until); e = m.order.Front() {
		m.remove(e)
	}
}

// shrink makes room, but keeps the newest; the caller has the lock.
func (m *MemoryKeys) shrink() {
	for m.bytes > m.most && m.order.Len() > 1 {
		m.remove(m.order.Front())
	}
}

func (m *MemoryKeys) remove(e *list.Element) {
	k := m.order.Remove(e).(*kept)
	delete(m.m, k.name)
	m.bytes -= k.cost()
}
