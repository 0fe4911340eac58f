package httpapi

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// perAddress is a listener that closes connections at once when one address has too
// many open, so that nobody alone can take all there are (row Z18). Whoever has one
// IPv6 address has the whole /64, which counts as one. Peers in free, such as a
// reverse proxy, are not counted.
type perAddress struct {
	net.Listener
	most int
	free []netip.Prefix

	mu   sync.Mutex
	open map[netip.Addr]int
}

func newPerAddress(l net.Listener, most int, free []netip.Prefix) *perAddress {
	return &perAddress{Listener: l, most: most, free: free, open: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (l *perAddress) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, counted := l.key(c)
		if !counted {
			return c, nil
		}
		if l.take(peer) {
			return &countedConn{Conn: c, release: sync.OnceFunc(func() { l.release(peer) })}, nil
		}
		_ = c.Close() // The peer sees it, and there is nobody else to tell.
	}
}

// key is what connections of a peer are counted under.
func (l *perAddress) key(c net.Conn) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}, false // no TCP connection
	}
	a := peer.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(l.free, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return netip.Addr{}, false
	}
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().Addr(), true
	}
	return a, true
}

func (l *perAddress) take(peer netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[peer] >= l.most {
		return false
	}
	l.open[peer]++
	return true
}

func (l *perAddress) release(peer netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[peer]--; l.open[peer] == 0 {
		delete(l.open, peer)
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
