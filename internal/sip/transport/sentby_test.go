package transport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
)

// routedNet counts how often the way to an address is asked for.
type routedNet struct {
	transport.Net
	asked atomic.Int64
	lost  atomic.Bool
}

func (n *routedNet) LocalAddr(to netip.Addr) (netip.Addr, error) {
	n.asked.Add(1)
	if n.lost.Load() {
		return netip.Addr{}, errors.New("no route")
	}
	return n.Net.LocalAddr(to)
}

func hostPort(host string, port int) string { return host + " " + strconv.Itoa(port) }

func TestSentBy(t *testing.T) {
	udp := transport.Target{Protocol: transport.UDP, Addr: netip.AddrPortFrom(there, 5060)}
	tcp := transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(there, 5060)}
	listen := map[string]map[transport.Protocol]string{
		"one":      {transport.UDP: "192.0.2.1:5060", transport.TCP: "192.0.2.1:5070"},
		"wildcard": {transport.UDP: "0.0.0.0:5060", transport.TCP: ":5070"},
		"udp":      {transport.UDP: "0.0.0.0:5080"},
		"none":     {},
	}
	for _, c := range []struct {
		listen, advertise string
		to                transport.Target
		want              string
	}{
		{"one", "", udp, "192.0.2.1 5060"},
		{"one", "", tcp, "192.0.2.1 5070"},
		{"wildcard", "", udp, "192.0.2.1 5060"},
		{"wildcard", "", tcp, "192.0.2.1 5070"},
		{"wildcard", "pbx.example.com", tcp, "pbx.example.com 5070"},
		{"wildcard", "pbx.example.com:5999", tcp, "pbx.example.com 5999"},
		{"one", "203.0.113.9", udp, "203.0.113.9 5060"},
		{"one", "2001:db8::9", udp, "[2001:db8::9] 5060"},
		{"one", "[2001:db8::9]", udp, "[2001:db8::9] 5060"},
		{"one", "[2001:db8::9]:1", udp, "[2001:db8::9] 1"},
		{"udp", "", tcp, "192.0.2.1 5080"},
		{"none", "", udp, "192.0.2.1 0"},
	} {
		p := newPeer(t, transport.Config{Net: memnet.New(memnet.Options{}).Host(here), Advertise: c.advertise})
		for protocol, at := range listen[c.listen] {
			p.listen(protocol, at)
		}
		if got := hostPort(p.SentBy(c.to)); got != c.want {
			t.Errorf("listening %s, advertising %q, towards %v: %s, want %s", c.listen, c.advertise, c.to, got, c.want)
		}
	}
}

func TestSentByWithoutRoute(t *testing.T) {
	n := &routedNet{Net: memnet.New(memnet.Options{}).Host(here)}
	n.lost.Store(true)
	p := newPeer(t, transport.Config{Net: n})
	p.listen(transport.UDP, ":5060")
	for to, want := range map[string]string{"192.0.2.2": "127.0.0.1 5060", "2001:db8::2": "[::1] 5060"} {
		target := transport.Target{Protocol: transport.UDP, Addr: netip.AddrPortFrom(addr(to), 5060)}
		if got := hostPort(p.SentBy(target)); got != want {
			t.Errorf("towards %s: %s, want %s", to, got, want)
		}
	}
}

// TestRoutesAreRemembered: for a while, and not without bound.
func TestRoutesAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &routedNet{Net: memnet.New(memnet.Options{}).Host(here)}
		p := newPeer(t, transport.Config{Net: n})
		p.listen(transport.UDP, ":5060")
		to := transport.Target{Protocol: transport.UDP, Addr: netip.AddrPortFrom(there, 5060)}
		for range 5 {
			p.SentBy(to)
		}
		if n.asked.Load() != 1 {
			t.Errorf("asked %d times for one address, want once", n.asked.Load())
		}
		time.Sleep(time.Minute)
		p.SentBy(to)
		if n.asked.Load() != 2 {
			t.Errorf("asked %d times after a minute, want twice", n.asked.Load())
		}
		for i := range 5000 {
			to.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060)
			p.SentBy(to)
		}
		if n.asked.Load() != 5002 {
			t.Errorf("asked %d times for 5000 addresses more", n.asked.Load())
		}
	})
}

// flakyNet fails a few reads and accepts, as a system does that is short of
// something.
type flakyNet struct{ transport.Net }

func (n flakyNet) ListenPacket(ctx context.Context, at string) (transport.PacketConn, error) {
	c, err := n.Net.ListenPacket(ctx, at)
	return &flakyPacketConn{PacketConn: c}, err
}

func (n flakyNet) Listen(ctx context.Context, at string) (net.Listener, error) {
	l, err := n.Net.Listen(ctx, at)
	return &flakyListener{Listener: l}, err
}

type flakyPacketConn struct {
	transport.PacketConn
	reads int
}

func (c *flakyPacketConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if c.reads++; c.reads <= 3 {
		return 0, netip.AddrPort{}, errors.New("no buffer space available")
	}
	return c.PacketConn.ReadFromUDPAddrPort(b)
}

type flakyListener struct {
	net.Listener
	accepts int
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if l.accepts++; l.accepts <= 3 {
		return nil, errors.New("too many open files")
	}
	return l.Listener.Accept()
}

// TestLoopsSurviveErrors: they go on after an error, and do not spin.
func TestLoopsSurviveErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		b := newPeer(t, transport.Config{Net: flakyNet{n.Host(there)}})
		a := newPeer(t, transport.Config{Net: n.Host(here)})
		a.listen(transport.UDP, ":5060")
		for _, p := range []transport.Protocol{transport.UDP, transport.TCP} {
			b.listen(p, ":5060")
			start := time.Now()
			a.send(transport.Target{Protocol: p, Addr: netip.AddrPortFrom(there, 5060)}, request(1, someVia))
			b.next()
			if time.Since(start) == 0 {
				t.Errorf("%s: three errors took no time", p)
			}
		}
		flaky := newPeer(t, transport.Config{Net: flakyNet{n.Host(addr("192.0.2.3"))}})
		flaky.listen(transport.UDP, ":5060") // Closed while it waits after an error.
		flaky.listen(transport.TCP, ":5060")
	})
}
