// Package memnet owns a network in memory for tests: hosts with one address each,
// UDP datagrams that can be delayed, lost and doubled, and streams that can be
// refused and stalled.
//
// It starts no goroutine and uses only channels and timers to wait, so under
// testing/synctest its time is virtual and whoever waits for it is durably
// blocked. It never loses, delays or reorders anything that the test did not ask
// for.
package memnet

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"callcontroller/internal/sip/transport"
)

// Delivery is one arrival of a datagram.
type Delivery struct {
	Delay time.Duration // from the moment of sending
}

// Hook decides over one datagram: nil delivers it at once, an empty slice loses it,
// several deliveries double it. Datagrams that arrive at the same moment do so in
// the order in which they were sent.
type Hook func(from, to netip.AddrPort, data []byte) []Delivery

// Tap sees each datagram and each write on a stream at the moment of sending, lost
// datagrams included. data must not be changed or kept.
type Tap func(at time.Time, from, to netip.AddrPort, data []byte)

// Options of a network; the zero value is one without faults.
type Options struct {
	Hook   Hook // may be changed by SetHook
	Window int  // bytes of a stream that wait for their reader before a write blocks; default 64 KiB
}

// Network joins hosts.
type Network struct {
	window int

	mu        sync.Mutex
	hook      Hook
	taps      []Tap
	ports     map[netip.Addr]uint16 // the last that was picked
	sockets   map[netip.AddrPort]*packetConn
	listeners map[netip.AddrPort]*listener
	stalled   map[netip.Addr]bool
	gone      map[netip.Addr]bool
	halves    map[*half]struct{}
	sent      uint64
}

// New makes a network without hosts.
func New(o Options) *Network {
	if o.Window <= 0 {
		o.Window = 64 << 10
	}
	return &Network{
		window: o.Window, hook: o.Hook,
		ports:     make(map[netip.Addr]uint16),
		sockets:   make(map[netip.AddrPort]*packetConn),
		listeners: make(map[netip.AddrPort]*listener),
		stalled:   make(map[netip.Addr]bool),
		gone:      make(map[netip.Addr]bool),
		halves:    make(map[*half]struct{}),
	}
}

// Host is the network as the host with that address sees it.
func (n *Network) Host(a netip.Addr) transport.Net { return &host{n, a.Unmap()} }

// SetHook replaces the hook; nil delivers everything at once.
func (n *Network) SetHook(h Hook) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = h
}

// Tap adds one that sees the traffic from now on.
func (n *Network) Tap(t Tap) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taps = append(n.taps, t)
}

// Stall keeps what streams bring to a host from its readers, so that the windows
// fill and those who write to it block. Connections are still made.
func (n *Network) Stall(a netip.Addr) { n.setStalled(a, true) }

// Resume ends a Stall.
func (n *Network) Resume(a netip.Addr) { n.setStalled(a, false) }

func (n *Network) setStalled(a netip.Addr, stalled bool) {
	n.mu.Lock()
	n.stalled[a] = stalled
	var changed []*half
	for h := range n.halves {
		if h.to.Addr() == a {
			changed = append(changed, h)
		}
	}
	n.mu.Unlock()
	for _, h := range changed {
		h.stall(stalled)
	}
}

// Vanish takes a host off the network: datagrams to it are lost, and who dials it
// waits in vain. What was connected stays so.
func (n *Network) Vanish(a netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone[a] = true
}

// Return ends a Vanish.
func (n *Network) Return(a netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.gone, a)
}

// tap tells those who watch.
func (n *Network) tap(from, to netip.AddrPort, data []byte) {
	n.mu.Lock()
	taps := n.taps // Only ever appended to.
	n.mu.Unlock()
	for _, t := range taps {
		t(time.Now(), from, to, data)
	}
}

// host is one machine; it implements transport.Net.
type host struct {
	net  *Network
	addr netip.Addr
}

// LocalAddr implements transport.Net.
func (h *host) LocalAddr(to netip.Addr) (netip.Addr, error) {
	if to.Is4() != h.addr.Is4() {
		return netip.Addr{}, failure("dial", netip.AddrPortFrom(to, 0), syscall.ENETUNREACH)
	}
	return h.addr, nil
}

// ListenPacket implements transport.Net.
func (h *host) ListenPacket(_ context.Context, addr string) (transport.PacketConn, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	shown, bound, err := h.bind(addr, func(a netip.AddrPort) bool { return h.net.sockets[a] != nil })
	if err != nil {
		return nil, err
	}
	c := newPacketConn(h.net, shown, bound)
	h.net.sockets[bound] = c
	return c, nil
}

// Listen implements transport.Net.
func (h *host) Listen(_ context.Context, addr string) (net.Listener, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	shown, bound, err := h.bind(addr, func(a netip.AddrPort) bool { return h.net.listeners[a] != nil })
	if err != nil {
		return nil, err
	}
	l := newListener(h.net, shown, bound)
	h.net.listeners[bound] = l
	return l, nil
}

// bind finds the address for a "host:port": as the socket shows it, which may be a
// wildcard, and as it is. The network is locked.
func (h *host) bind(addr string, taken func(netip.AddrPort) bool) (shown, bound netip.AddrPort, err error) {
	name, service, err := net.SplitHostPort(addr)
	if err != nil {
		return shown, bound, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return shown, bound, err
	}
	ip := netip.IPv6Unspecified()
	if name != "" {
		if ip, err = netip.ParseAddr(name); err != nil {
			return shown, bound, err
		}
	}
	bound = netip.AddrPortFrom(h.addr, uint16(port))
	if ip = ip.Unmap(); ip != h.addr && !ip.IsUnspecified() {
		return shown, bound, failure("listen", netip.AddrPortFrom(ip, uint16(port)), syscall.EADDRNOTAVAIL)
	}
	if port == 0 {
		bound = h.pickPort(taken)
	}
	if taken(bound) {
		return shown, bound, failure("listen", bound, syscall.EADDRINUSE)
	}
	return netip.AddrPortFrom(ip, bound.Port()), bound, nil
}

// pickPort gives a free port, each time another. The network is locked.
func (h *host) pickPort(taken func(netip.AddrPort) bool) netip.AddrPort {
	const first = 49152 // The dynamic ports of RFC 6335 section 6.
	for {
		p := max(h.net.ports[h.addr]+1, first)
		h.net.ports[h.addr] = p
		if a := netip.AddrPortFrom(h.addr, p); !taken(a) {
			return a
		}
	}
}

// failure is an error as package net makes it.
func failure(op string, a netip.AddrPort, err syscall.Errno) error {
	return &net.OpError{Op: op, Net: "mem", Addr: net.TCPAddrFromAddrPort(a), Err: err}
}
