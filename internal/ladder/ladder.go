// Package ladder keeps the SIP messages of recent calls in memory, as bytes, and gives
// those of one call, with its secrets masked. It owns the memory that they take, which is
// bounded: the oldest are left out first.
//
// It hears only what it is told of: package app has the ear at the transport, package
// signalling says which Call-ID belongs to which leg of which call. What belongs to none
// is not kept, so that strangers cannot push out what is. Nothing is parsed until somebody
// asks. It decides nothing about calls and starts no goroutine.
package ladder

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"callcontroller/internal/sip"
)

// Peer is where a message comes from or goes to.
type Peer struct {
	Protocol string // as in Via
	Addr     netip.AddrPort
}

// Ladder keeps messages. Use New. All methods may be called at the same time.
type Ladder struct {
	mu   sync.Mutex
	legs map[string]*leg // by Call-ID: those of which something is kept
	ring ring
}

// leg is one INVITE of a call with all that belongs to its Call-ID.
type leg struct {
	call, name, sipCallID string
	kept                  int // rows of the ring
}

// New makes a ladder that takes about that many bytes of memory when it is full, two
// segments at least. It begins with none.
func New(most int) *Ladder {
	return &Ladder{legs: make(map[string]*leg), ring: ring{most: max(most/segmentSize, 2)}}
}

// Leg lets the messages of a Call-ID be kept, as those of a leg of a call with that name:
// "caller", "callee" or "target". A Call-ID that is known stays what it is.
func (l *Ladder) Leg(call, name, sipCallID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.legs[sipCallID] != nil {
		return
	}
	g := &leg{call: call, name: name, sipCallID: sipCallID}
	l.legs[sipCallID] = g
	l.room(row{leg: g, kind: called}, legSize)
}

// Sent takes a message that is about to be sent, as sip.Message writes it.
func (l *Ladder) Sent(to Peer, text []byte) {
	id := callIDOf(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.legs[string(id)]; g != nil && len(text) <= sip.MaxMessageSize {
		copy(l.room(row{leg: g, at: time.Now().UnixNano(), peer: to, kind: sent}, len(text)), text)
	}
}

// Received takes a message that has come.
func (l *Ladder) Received(from Peer, m *sip.Message) {
	text, id := m.Raw(), m.Get(sip.CallID)
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.legs[id]; g != nil {
		copy(l.room(row{leg: g, at: time.Now().UnixNano(), peer: from, kind: received}, len(text)), text)
	}
}

// callIDOf finds the Call-ID in what sip.Message has written: it lets no value begin a
// line, and names the field in full.
func callIDOf(text []byte) []byte {
	const field = "\r\nCall-ID: "
	i := bytes.Index(text, []byte(field))
	if i < 0 {
		return nil
	}
	id, _, _ := bytes.Cut(text[i+len(field):], []byte("\r\n"))
	return id
}

// room makes room for a row and its text, which it gives; l.mu is held.
func (l *Ladder) room(r row, size int) []byte {
	for _, old := range l.ring.turn(size) {
		if old.leg.kept--; old.leg.kept == 0 && old.leg != r.leg {
			delete(l.legs, old.leg.sipCallID)
		}
	}
	r.leg.kept++
	return l.ring.add(r, size)
}
