package transport_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

// newWorld makes a layer that listens by TCP on here, and the network around it.
func newWorld(t *testing.T, config transport.Config) (n *memnet.Network, p *peer, to transport.Target) {
	t.Helper()
	n = memnet.New(memnet.Options{})
	config.Net = n.Host(here)
	p = newPeer(t, config)
	return n, p, p.listen(transport.TCP, ":5060")
}

func memDial(t *testing.T, n *memnet.Network, from netip.Addr, to transport.Target) net.Conn {
	t.Helper()
	c, err := n.Host(from).Dial(t.Context(), netip.AddrPort{}, netip.AddrPortFrom(here, to.Addr.Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// lifetime reads to the end of the connection and tells how long that took.
func lifetime(c net.Conn) time.Duration {
	start := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(start)
}

func TestSilentConnection_Z18(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, to := newWorld(t, transport.Config{})
		if d := lifetime(memDial(t, n, there, to)); d != 10*time.Second {
			t.Errorf("a silent connection lived %v, want 10 s", d)
		}
		if p.Stats().TimedOut != 1 {
			t.Errorf("stats %+v, want 1 timed out", p.Stats())
		}
	})
}

func TestSlowLoris_Z18(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, to := newWorld(t, transport.Config{})
		c := memDial(t, n, there, to)
		write(t, c, request(0, someVia))
		p.next()
		time.Sleep(time.Minute) // No message is begun: nothing is slow.
		var drip sync.WaitGroup
		defer drip.Wait()
		drip.Go(func() {
			for _, b := range []byte(request(1, someVia)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		if d := lifetime(c); d != 10*time.Second {
			t.Errorf("a connection that brings a byte a second lived %v, want 10 s", d)
		}
	})
}

// TestSlowButWhole: messages that are slow, but each within its limit.
func TestSlowButWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, to := newWorld(t, transport.Config{})
		c := memDial(t, n, there, to)
		for i := range 5 {
			m := request(i, someVia)
			write(t, c, m[:50])
			time.Sleep(9 * time.Second)
			write(t, c, m[50:])
			p.next()
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, to := newWorld(t, transport.Config{})
		c := memDial(t, n, there, to)
		write(t, c, request(0, someVia))
		in := p.next()
		time.Sleep(9 * time.Minute)
		// What we write is traffic as well.
		if err := p.Reply(in.from, 0, []byte("SIP/2.0 180 Ringing\r\nContent-Length: 0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if d := lifetime(c); d != 10*time.Minute {
			t.Errorf("the connection lived %v after the last message, want 10 min", d)
		}
	})
}

func TestOutboundIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, _ := newWorld(t, transport.Config{})
		ln, err := n.Host(there).Listen(t.Context(), ":5060")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		p.send(transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(there, 5060)}, request(1, someVia))
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if d := lifetime(c); d != 10*time.Minute {
			t.Errorf("an outbound connection lived %v, want 10 min", d)
		}
	})
}

// TestStalledReader_X20: a peer that reads nothing fills its own queue, hears of
// it, and disturbs no one else.
func TestStalledReader_X20(t *testing.T) {
	config := transport.Config{WriteQueue: 20}
	synctest.Test(t, func(t *testing.T) {
		n, p, to := newWorld(t, config)
		stuck, fine := memDial(t, n, there, to), memDial(t, n, netip.MustParseAddr("192.0.2.3"), to)
		n.Stall(there)
		write(t, stuck, request(1, someVia))
		slow := p.next().from
		write(t, fine, request(2, someVia))
		quick := p.next().from

		f := newFailures()
		big := []byte(strings.Repeat("x", 60000))
		taken, full := 0, 0
		start := time.Now()
		for range 40 {
			switch err := p.Send(slow.Target, big, f); {
			case err == nil:
				taken++
			case errors.Is(err, transport.ErrQueueFull):
				full++
			default:
				t.Fatal(err)
			}
			synctest.Wait()
			if err := p.Reply(quick, 0, []byte("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			readMessage(t, fine)
		}
		if time.Since(start) != 0 {
			t.Errorf("Send blocked for %v", time.Since(start))
		}
		// The first fits into the window, the second is being written, 20 wait.
		if taken != 22 || full != 18 {
			t.Errorf("%d messages taken, %d refused, want 22 and 18", taken, full)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if errs := f.all(); len(errs) != taken-1 || !errors.Is(errs[0], os.ErrDeadlineExceeded) {
			t.Errorf("%d failures told (%v), want %d", len(errs), errs, taken-1)
		}
		if s := p.Stats(); s.OpenConnections != 1 {
			t.Errorf("stats %+v, want the stalled connection closed", s)
		}
		n.Resume(there)
	})
}

// TestLimitCountsNetworks: who has one IPv6 address has the /64 around it.
func TestLimitCountsNetworks_Z18(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		home := netip.MustParseAddr("2001:db8::1")
		p := newPeer(t, transport.Config{Net: n.Host(home), MaxConnectionsPerAddress: 2})
		p.listen(transport.TCP, ":5060")
		for _, from := range []string{"2001:db8:0:9::1", "2001:db8:0:9::2", "2001:db8:0:9:ffff::3", "2001:db8:0:a::1"} {
			c, err := n.Host(netip.MustParseAddr(from)).Dial(t.Context(), netip.AddrPort{}, netip.AddrPortFrom(home, 5060))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
		}
		synctest.Wait()
		if s := p.Stats(); s.Accepted != 3 || s.Rejected != 1 {
			t.Errorf("stats %+v, want 3 accepted and 1 rejected", s)
		}
	})
}

func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, _ := newWorld(t, transport.Config{})
		n.Vanish(there)
		f := newFailures()
		start := time.Now()
		to := transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(there, 5060)}
		for range 3 { // They wait for the same dial.
			if err := p.Send(to, []byte("x"), f); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			<-f.told
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("told after %v, want 5 s", d)
		}
		if s := p.Stats(); s.SendErrors != 3 || s.Dialled != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestOutboundLimit: many targets that do not answer cannot make connections
// without end.
func TestOutboundLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, _ := newWorld(t, transport.Config{MaxConnections: 2})
		n.Vanish(there)
		for port := uint16(1); port <= 3; port++ {
			err := p.Send(transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(there, port)}, []byte("x"), nil)
			if errors.Is(err, transport.ErrTooManyConnections) != (port == 3) {
				t.Errorf("Send number %d: %v", port, err)
			}
		}
	})
}

// TestCloseFailsWhatWaits: Close does not wait for a dial or a stalled peer, and
// tells each sender.
func TestCloseFailsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, to := newWorld(t, transport.Config{})
		n.Vanish(there)
		n.Stall(netip.MustParseAddr("192.0.2.3"))
		c := memDial(t, n, netip.MustParseAddr("192.0.2.3"), to)
		write(t, c, request(1, someVia))
		stalled := p.next().from.Target
		f := newFailures()
		big := []byte(strings.Repeat("x", 40000))
		for range 3 {
			_ = p.Send(transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(there, 1)}, big, f)
			_ = p.Send(stalled, big, f)
		}
		synctest.Wait()
		start := time.Now()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if n := len(f.all()); n != 5 { // All but the one that went into the window.
			t.Errorf("%d failures told, want 5: %v", n, f.all())
		}
		if err := p.Send(stalled, big, f); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		if _, err := p.Listen(t.Context(), transport.UDP, ":1"); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Listen after Close: %v", err)
		}
	})
}

// TestEachMessageOnce: whatever connections do, each message that was taken is
// written whole, or its sender told, and never both.
func TestEachMessageOnce(t *testing.T) {
	n := memnet.New(memnet.Options{Window: 1000})
	a := newPeer(t, transport.Config{Net: n.Host(here)})
	// The peer reads one message of a connection and closes it.
	var got sync.Map
	ln, err := n.Host(there).Listen(t.Context(), ":5060")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			m, err := nextMessage(c)
			if err != nil {
				t.Error(err)
				return
			}
			if _, twice := got.LoadOrStore(m.Get(sip.CallID), true); twice {
				t.Errorf("message %s came twice", m.Get(sip.CallID))
			}
			_ = c.Close()
		}
	})
	to := transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(there, 5060)}
	var senders sync.WaitGroup
	told := make([]*failures, 400)
	for i := range told {
		told[i] = newFailures()
		senders.Go(func() {
			if err := a.Send(to, []byte(request(i, someVia)), told[i]); err != nil {
				told[i].SendFailed(err)
			}
		})
	}
	senders.Wait()
	failed := 0
	eventually(t, "each message written or failed", func() bool {
		failed = 0
		for i, f := range told {
			errs := len(f.all())
			failed += errs
			if errs > 1 {
				t.Fatalf("message %d: told %d times", i, errs)
			}
		}
		return int(a.Stats().Sent)+failed >= len(told)
	})
	_ = ln.Close()
	served.Wait()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if sent := int(a.Stats().Sent); sent+failed != len(told) {
		t.Errorf("%d written and %d failed of %d", sent, failed, len(told))
	}
}
