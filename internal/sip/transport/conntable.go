package transport

import (
	"net/netip"
	"sync"
)

// connTable knows all stream connections.
type connTable struct {
	maxEach, maxPerAddress int

	mu                sync.Mutex
	closed            bool
	all               map[*conn]struct{}
	byPeer            map[Target]*conn // those that take messages
	perAddress        map[netip.Addr]int
	inbound, outbound int
}

func (t *connTable) limits(each, perAddress int) {
	t.maxEach, t.maxPerAddress = each, perAddress
	t.all = make(map[*conn]struct{})
	t.byPeer = make(map[Target]*conn)
	t.perAddress = make(map[netip.Addr]int)
}

// add takes an inbound connection.
func (t *connTable) add(c *conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := network(c.peer.Addr.Addr())
	switch {
	case t.closed:
		return ErrClosed
	case t.inbound >= t.maxEach || t.perAddress[key] >= t.maxPerAddress:
		return ErrTooManyConnections
	}
	t.inbound++
	t.perAddress[key]++
	t.all[c] = struct{}{}
	t.byPeer[c.peer] = c
	return nil
}

// toward gives the connection to or from a peer. It makes one when there is none;
// the caller then starts its dial, for which a place in the layer's wait group is
// taken here, where Close cannot have begun to wait.
func (t *connTable) toward(l *Layer, peer Target) (c *conn, made bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false, ErrClosed
	}
	if c, ok := t.byPeer[peer]; ok {
		return c, false, nil
	}
	if t.outbound >= t.maxEach {
		return nil, false, ErrTooManyConnections
	}
	c = &conn{layer: l, peer: peer}
	t.outbound++
	t.all[c] = struct{}{}
	t.byPeer[peer] = c
	l.wg.Add(1)
	return c, true, nil
}

// retire takes a connection out of use for new messages.
func (t *connTable) retire(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byPeer[c.peer] == c {
		delete(t.byPeer, c.peer)
	}
}

// remove forgets a connection.
func (t *connTable) remove(c *conn) {
	t.retire(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.all[c]; !ok {
		return
	}
	delete(t.all, c)
	if !c.inbound {
		t.outbound--
		return
	}
	t.inbound--
	key := network(c.peer.Addr.Addr())
	if t.perAddress[key]--; t.perAddress[key] == 0 {
		delete(t.perAddress, key)
	}
}

// close lets no connection in any more and gives those that are left.
func (t *connTable) close() []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	left := make([]*conn, 0, len(t.all))
	for c := range t.all {
		left = append(left, c)
	}
	return left
}

func (t *connTable) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// network is what counts as one address: whoever has one IPv6 address has the
// whole /64.
func network(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
