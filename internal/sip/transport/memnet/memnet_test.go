package memnet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
	six = netip.MustParseAddr("2001:db8::6")
)

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

func bind(t *testing.T, n *memnet.Network, a netip.Addr, where string) transport.PacketConn {
	t.Helper()
	c, err := n.Host(a).ListenPacket(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func sendTo(t *testing.T, c transport.PacketConn, to netip.AddrPort, data string) {
	t.Helper()
	if n, err := c.WriteToUDPAddrPort([]byte(data), to); n != len(data) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

// receive reads n datagrams and tells each with the time since start.
func receive(t *testing.T, c transport.PacketConn, start time.Time, n int) []string {
	t.Helper()
	var got []string
	buf := make([]byte, 100)
	for range n {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v %s from %v", time.Since(start), buf[:n], from))
	}
	return got
}

func TestDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{Hook: func(_, _ netip.AddrPort, data []byte) []memnet.Delivery {
			switch string(data) {
			case "lost":
				return []memnet.Delivery{}
			case "twice":
				return []memnet.Delivery{{Delay: time.Second}, {Delay: 3 * time.Second}}
			case "late1", "late2", "late3":
				return []memnet.Delivery{{Delay: 2 * time.Second}}
			default:
				return nil
			}
		}})
		a, b := bind(t, n, one, "192.0.2.1:5060"), bind(t, n, two, ":0")
		to := at(two, b.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		start := time.Now()
		for _, data := range []string{"late1", "lost", "twice", "late2", "now1", "late3", "now2"} {
			sendTo(t, a, to, data)
		}
		want := []string{
			"0s now1 from 192.0.2.1:5060", "0s now2 from 192.0.2.1:5060", "1s twice from 192.0.2.1:5060",
			"2s late1 from 192.0.2.1:5060", "2s late2 from 192.0.2.1:5060", "2s late3 from 192.0.2.1:5060",
			"3s twice from 192.0.2.1:5060",
		}
		if diff := cmp.Diff(want, receive(t, b, start, len(want))); diff != "" {
			t.Errorf("arrivals (-want +got)\n%s", diff)
		}
	})
}

// TestReaderWaits: a reader is woken by what is due before the one it waits for,
// and by Close.
func TestReaderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		a, b := bind(t, n, one, ":1"), bind(t, n, two, ":2")
		n.SetHook(func(netip.AddrPort, netip.AddrPort, []byte) []memnet.Delivery {
			return []memnet.Delivery{{Delay: time.Hour}}
		})
		sendTo(t, a, at(two, 2), "late")
		n.SetHook(nil)
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			sendTo(t, a, at(two, 2), "soon")
			time.Sleep(2 * time.Hour)
			_ = b.Close()
		}()
		want := []string{"1m0s soon from 192.0.2.1:1", "1h0m0s late from 192.0.2.1:1"}
		if diff := cmp.Diff(want, receive(t, b, start, 2)); diff != "" {
			t.Errorf("arrivals (-want +got)\n%s", diff)
		}
		if _, _, err := b.ReadFromUDPAddrPort(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
		if err := b.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := b.WriteToUDPAddrPort(nil, at(one, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		bind(t, n, two, ":2") // The port is free again.
	})
}

func TestDatagramsToNowhere(t *testing.T) {
	n := memnet.New(memnet.Options{})
	a := bind(t, n, one, ":1")
	b := bind(t, n, two, ":2")
	sendTo(t, a, at(two, 9), "nobody listens")
	n.Vanish(two)
	sendTo(t, a, at(two, 2), "the host has vanished")
	n.Return(two)
	sendTo(t, a, at(two, 2), "ok")
	if got := receive(t, b, time.Now(), 1); !strings.Contains(got[0], "ok") {
		t.Errorf("got %q", got)
	}
	if _, err := a.WriteToUDPAddrPort(nil, at(six, 1)); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("IPv4 to IPv6: %v", err)
	}
	if _, err := a.WriteToUDPAddrPort(make([]byte, 65508), at(two, 1)); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("65508 bytes: %v", err)
	}
}

func TestBind(t *testing.T) {
	n := memnet.New(memnet.Options{})
	bind(t, n, one, ":5060")
	for where, want := range map[string]string{
		"192.0.2.1:5060": "address already in use", "0.0.0.0:5060": "address already in use",
		"192.0.2.9:0": "cannot assign", "nonsense": "missing port", "a:b:c": "too many colons", "x:1": "unable to parse", ":x": "invalid syntax",
	} {
		if _, err := n.Host(one).ListenPacket(t.Context(), where); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ListenPacket on %s: %v, want %q", where, err, want)
		}
	}
	if _, err := n.Host(one).Listen(t.Context(), "192.0.2.9:0"); err == nil {
		t.Error("Listen on the address of another host")
	}
	for where, want := range map[string]string{"0.0.0.0:7": "0.0.0.0:7", ":8": "[::]:8", "192.0.2.1:9": "192.0.2.1:9"} {
		l, err := n.Host(one).Listen(t.Context(), where)
		if err != nil || l.Addr().String() != want {
			t.Errorf("Listen on %s shows %v, %v; want %s", where, l.Addr(), err, want)
		}
		_ = l.Close()
	}
	if a, err := n.Host(one).LocalAddr(two); a != one || err != nil {
		t.Errorf("LocalAddr: %v, %v", a, err)
	}
	if _, err := n.Host(one).LocalAddr(six); err == nil {
		t.Error("a host of IPv4 has a way to IPv6")
	}
}

func listen(t *testing.T, n *memnet.Network, a netip.Addr, where string) net.Listener {
	t.Helper()
	l, err := n.Host(a).Listen(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// connect gives both ends of a connection from one to two:5060.
func connect(t *testing.T, n *memnet.Network) (ours, theirs net.Conn) {
	t.Helper()
	l := listen(t, n, two, ":5060")
	ours, err := n.Host(one).Dial(t.Context(), netip.AddrPort{}, at(two, 5060))
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := connect(t, memnet.New(memnet.Options{Window: 10}))
		if ours.LocalAddr().String() != theirs.RemoteAddr().String() || ours.RemoteAddr().String() != "192.0.2.2:5060" {
			t.Errorf("ends are %v-%v and %v-%v", ours.LocalAddr(), ours.RemoteAddr(), theirs.LocalAddr(), theirs.RemoteAddr())
		}
		text := strings.Repeat("0123456789", 10)
		go func() {
			if n, err := ours.Write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("write: %d, %v", n, err)
			}
			_ = ours.Close()
		}()
		if got, err := io.ReadAll(theirs); string(got) != text || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := theirs.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to who has closed: %v", err)
		}
		if _, err := ours.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	ours, theirs := connect(t, memnet.New(memnet.Options{}))
	if err := ours.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read: %v, want EOF", err)
	}
	if _, err := theirs.Write([]byte("x")); err != nil {
		t.Errorf("write the other way: %v", err)
	}
}

func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := connect(t, memnet.New(memnet.Options{Window: 10}))
		start := time.Now()
		_ = ours.SetDeadline(start.Add(time.Second))
		if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read after %v: %v", time.Since(start), err)
		}
		_ = ours.SetWriteDeadline(start.Add(3 * time.Second))
		if n, err := ours.Write(make([]byte, 20)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("write after %v: %d, %v", time.Since(start), n, err)
		}
		// A deadline that moves while someone waits.
		_ = ours.SetReadDeadline(start.Add(time.Hour))
		go func() {
			time.Sleep(time.Second)
			_ = ours.SetReadDeadline(time.Now().Add(time.Second))
		}()
		if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("read after %v: %v", time.Since(start), err)
		}
		// None, and what comes late.
		_ = ours.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Hour)
			_, _ = theirs.Write([]byte("x"))
		}()
		if n, err := ours.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("read: %d, %v", n, err)
		}
	})
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{Window: 10})
		ours, theirs := connect(t, n)
		n.Stall(two)
		start := time.Now()
		if k, err := ours.Write(make([]byte, 10)); k != 10 || err != nil {
			t.Errorf("write into the window: %d, %v", k, err)
		}
		if k, err := theirs.Write([]byte("x")); k != 1 || err != nil {
			t.Errorf("write the other way: %d, %v", k, err)
		}
		go func() {
			time.Sleep(time.Minute)
			n.Resume(two)
		}()
		if k, err := theirs.Read(make([]byte, 20)); k != 10 || err != nil || time.Since(start) != time.Minute {
			t.Errorf("read %d, %v after %v", k, err, time.Since(start))
		}
	})
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		h := n.Host(one)
		if _, err := h.Dial(t.Context(), netip.AddrPort{}, at(two, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial where nobody listens: %v", err)
		}
		if _, err := h.Dial(t.Context(), netip.AddrPort{}, at(six, 1)); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("dial IPv6 from IPv4: %v", err)
		}
		l := listen(t, n, two, ":1")
		n.Vanish(two)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Dial(ctx, netip.AddrPort{}, at(two, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial a host that has vanished: %v", err)
		}
		n.Return(two)
		c, err := h.Dial(t.Context(), at(one, 77), at(two, 1))
		if err != nil || c.LocalAddr().String() != "192.0.2.1:77" {
			t.Errorf("dial from a port: %v, %v", c.LocalAddr(), err)
		}
		// The backlog fills, then who dials waits until the listener closes.
		for range 127 {
			if _, err := h.Dial(t.Context(), netip.AddrPort{}, at(two, 1)); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			time.Sleep(time.Second)
			_ = l.Close()
		}()
		if _, err := h.Dial(t.Context(), netip.AddrPort{}, at(two, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial a listener that closes: %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("connection that was never accepted: %v, want EOF", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	})
}

func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{Hook: func(netip.AddrPort, netip.AddrPort, []byte) []memnet.Delivery {
			return []memnet.Delivery{}
		}})
		start := time.Now()
		var seen []string
		n.Tap(func(at time.Time, from, to netip.AddrPort, data []byte) {
			seen = append(seen, fmt.Sprintf("%v %v>%v %s", at.Sub(start), from, to, data))
		})
		time.Sleep(time.Second)
		a := bind(t, n, one, ":1")
		sendTo(t, a, at(two, 2), "lost")
		ours, _ := connect(t, n)
		if _, err := ours.Write([]byte("stream")); err != nil {
			t.Fatal(err)
		}
		want := []string{"1s 192.0.2.1:1>192.0.2.2:2 lost", "1s " + ours.LocalAddr().String() + ">192.0.2.2:5060 stream"}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("seen (-want +got)\n%s", diff)
		}
	})
}
