package auth

import (
	"container/heap"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// nonceLife is how long a nonce is good for, from the challenge that it came in.
	nonceLife = 5 * time.Minute
	// maxNonces is how many used nonces are remembered: some 5 MB. With more log-ins in
	// nonceLife, nonces only become stale earlier.
	maxNonces = 1 << 16
	macSize   = 16
)

// nonce is one of ours. Nothing is kept of it until it has been used.
type nonce struct {
	issued time.Duration // since the start of the process, so that a clock that is set does no harm
	salt   uint64
}

// nonces makes nonces and knows them again. Each carries when it was made, and a MAC
// with a key of this process, so one of another server or of an earlier run is none.
// Of those that were used it remembers which counts came. It remembers a bounded
// number: the ones that were made first are forgotten first, and with a forgotten one
// all that are older are stale, used or not. So none can be used twice.
type nonces struct {
	key   [32]byte
	start time.Time
	limit int

	mu     sync.Mutex
	used   map[nonce]*window
	oldest byIssue
	floor  time.Duration // what was made until then is stale unless it is in used; -1 at first
}

// verdict tells what a nonce is good for.
type verdict uint8

const (
	fresh    verdict = iota
	stale            // ours, but too old
	replayed         // this count has come before, or is far behind
)

func newNonces(limit int) *nonces {
	s := &nonces{start: time.Now(), limit: limit, used: map[nonce]*window{}, floor: -1}
	rand.Read(s.key[:]) // It never fails: crypto/rand ends the program instead.
	return s
}

// issue makes a new nonce, as text.
func (s *nonces) issue() string {
	var b [16 + macSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(s.now()))
	rand.Read(b[8:16])
	copy(b[16:], s.mac(b[:16]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// read tells false for what this process has not issued.
func (s *nonces) read(text string) (nonce, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 16+macSize || !hmac.Equal(b[16:], s.mac(b[:16])) {
		return nonce{}, false
	}
	return nonce{
		issued: time.Duration(binary.BigEndian.Uint64(b)), //nolint:gosec // the MAC says that issue wrote it
		salt:   binary.BigEndian.Uint64(b[8:]),
	}, true
}

func (s *nonces) mac(b []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write(b)
	return h.Sum(nil)[:macSize]
}

func (s *nonces) now() time.Duration { return time.Since(s.start) }

// use takes a count of a nonce, which the caller has found in a right response.
func (s *nonces) use(n nonce, count uint32) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now-n.issued > nonceLife {
		return stale
	}
	if w := s.used[n]; w != nil {
		return w.take(count)
	}
	if n.issued <= s.floor {
		return stale
	}
	w := &window{nonce: n, top: count, seen: 1}
	s.used[n] = w
	heap.Push(&s.oldest, w)
	s.evict(now)
	return fresh
}

// evict forgets what has expired, and what is too much.
func (s *nonces) evict(now time.Duration) {
	for len(s.oldest) > s.limit || now-s.oldest[0].issued > nonceLife {
		w := heap.Pop(&s.oldest).(*window) //nolint:forcetypeassert // the heap holds nothing else
		delete(s.used, w.nonce)
		s.floor = max(s.floor, w.issued)
	}
}

// window knows which counts of a nonce have come (RFC 7616 section 3.4, nc). Requests
// that run side by side overtake each other, so a count may be up to 63 behind.
type window struct {
	nonce

	top  uint32
	seen uint64 // bit i stands for the count top-i
}

func (w *window) take(count uint32) verdict {
	if count > w.top {
		w.seen = w.seen<<(count-w.top) | 1 // a shift by 64 and more leaves nothing
		w.top = count
		return fresh
	}
	behind := w.top - count
	if behind > 63 || w.seen>>behind&1 == 1 {
		return replayed
	}
	w.seen |= 1 << behind
	return fresh
}

// byIssue is a heap, the nonce that was made first on top.
type byIssue []*window

func (h byIssue) Len() int           { return len(h) }
func (h byIssue) Less(i, j int) bool { return h[i].issued < h[j].issued }
func (h byIssue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *byIssue) Push(w any) { *h = append(*h, w.(*window)) } //nolint:forcetypeassert // as above

// Pop implements heap.Interface.
func (h *byIssue) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return w
}
