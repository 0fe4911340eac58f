package transaction

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/timing"
)

// answered keeps what is left of server transactions that have sent their final response
// and wait for Timer J: the response, for retransmissions of the request. A call has two
// or three of them, each for 32 s, which is most of what there is of ended calls under
// load. So they are kept as bytes in which the collector finds nothing to follow, and
// since all stay for the same time, one after the other, they need one timer.
type answered struct {
	wheel *timing.Wheel
	timer timing.Timer
	seed  maphash.Seed
	begin time.Time

	mu     sync.Mutex
	at     map[uint64]uint64 // where the entry of a key is, by its hash
	chunks [][]byte          // the oldest first, all but the last full
	first  uint64            // number of the oldest
	next   int               // where the oldest entry begins in it
}

const (
	chunkSize = 64 << 10
	entryHead = 8 + 8 + 2 + 2 // when it expires, hash, lengths of key and response
	// entrySize bounds an entry, so that chunks are filled well.
	entrySize = chunkSize / 8
)

func newAnswered(w *timing.Wheel) *answered {
	return &answered{wheel: w, seed: maphash.MakeSeed(), begin: time.Now(), at: map[uint64]uint64{}}
}

// text is a key as bytes; no part of it has a zero byte.
func (k serverKey) text(b []byte) []byte {
	b = append(append(b, k.branch...), 0)
	b = append(append(b, k.sentBy...), 0)
	return append(b, k.method...)
}

// add takes the final response of a transaction, and tells whether it is not too large.
func (a *answered) add(k serverKey, data []byte) bool {
	var room [256]byte
	key := k.text(room[:0])
	if entryHead+len(key)+len(data) > entrySize {
		return false
	}
	hash := maphash.Bytes(a.seed, key)
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.chunks)
	if n == 0 || len(a.chunks[n-1])+entryHead+len(key)+len(data) > chunkSize {
		a.chunks = append(a.chunks, make([]byte, 0, chunkSize))
		n++
	}
	c := a.chunks[n-1]
	if a.at[hash] = (a.first+uint64(n-1))*chunkSize + uint64(len(c)); len(a.at) == 1 { //nolint:gosec // n > 0
		a.wheel.Start(&a.timer, Timeout, a, 0)
	}
	c = binary.NativeEndian.AppendUint64(c, uint64(time.Since(a.begin)+Timeout)) //nolint:gosec // it is later than begin
	c = binary.NativeEndian.AppendUint64(c, hash)
	c = binary.NativeEndian.AppendUint16(c, uint16(len(key)))  //nolint:gosec // see entrySize
	c = binary.NativeEndian.AppendUint16(c, uint16(len(data))) //nolint:gosec // see entrySize
	a.chunks[n-1] = append(append(c, key...), data...)
	return true
}

// entry is one of answered.
type entry struct {
	expires   time.Duration // since begin
	hash      uint64
	key, data []byte
	size      int
}

// entryAt reads the entry that begins at b.
func entryAt(b []byte) entry {
	key, data := int(binary.NativeEndian.Uint16(b[16:])), int(binary.NativeEndian.Uint16(b[18:]))
	text := b[entryHead : entryHead+key+data]
	return entry{
		expires: time.Duration(binary.NativeEndian.Uint64(b)), hash: binary.NativeEndian.Uint64(b[8:]), //nolint:gosec // as it was put in
		key: text[:key], data: text[key:], size: entryHead + len(text),
	}
}

// get gives the response to a retransmission of a request.
func (a *answered) get(k serverKey) ([]byte, bool) {
	if k.method == sip.INVITE {
		return nil, false
	}
	var room [256]byte
	key := k.text(room[:0])
	hash := maphash.Bytes(a.seed, key)
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.at[hash]
	if !ok {
		return nil, false
	}
	e := entryAt(a.chunks[at/chunkSize-a.first][at%chunkSize:])
	if e.expires < time.Since(a.begin) || !bytes.Equal(e.key, key) {
		return nil, false
	}
	return bytes.Clone(e.data), true
}

// Fired implements timing.Owner: those whose time is over go.
func (a *answered) Fired(uint8) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Since(a.begin)
	for len(a.chunks) > 0 {
		if a.next == len(a.chunks[0]) {
			a.dropChunk()
			continue
		}
		e := entryAt(a.chunks[0][a.next:])
		if e.expires > now {
			a.wheel.Start(&a.timer, e.expires-now, a, 0)
			return
		}
		if a.at[e.hash] == a.first*chunkSize+uint64(a.next) { //nolint:gosec // next is an offset
			delete(a.at, e.hash)
		}
		a.next += e.size
	}
	a.at = map[uint64]uint64{} // a map never shrinks
}

// dropChunk drops the oldest chunk, of which nothing is needed; a.mu is held.
func (a *answered) dropChunk() {
	a.chunks[0] = nil
	a.chunks = a.chunks[1:]
	a.first++
	a.next = 0
}

func (a *answered) has(k serverKey) bool {
	_, ok := a.get(k)
	return ok
}

func (a *answered) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}
