package transport_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

func TestUDPThereAndBack(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			if host == "[::1]" {
				needIPv6(t)
			}
			a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
			atA, atB := a.listen(transport.UDP, host+":0"), b.listen(transport.UDP, host+":0")

			a.send(atB, request(1, "SIP/2.0/UDP other.invalid:5060;rport;branch=z9hG4bK1"))
			in := b.next()
			if in.from.Target != atA || in.from.Local != atB.Addr {
				t.Errorf("came from %v to %v, want %v and %v", in.from.Target, in.from.Local, atA, atB.Addr)
			}
			resp := sip.NewResponse(in.msg, 200, "", "t")
			if err := b.Reply(in.from, 9, resp.Bytes()); err != nil {
				t.Fatal(err)
			}
			out := a.next()
			if out.msg.Status != 200 || out.from.Target != atB {
				t.Errorf("answer %d from %v, want 200 from %v", out.msg.Status, out.from.Target, atB)
			}
		})
	}
}

func TestReceivedAndRport_U02(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	from, to := a.listen(transport.UDP, "127.0.0.1:0"), b.listen(transport.UDP, "127.0.0.1:0")
	for _, via := range []string{
		"SIP/2.0/UDP 127.0.0.2:5060;rport;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.7",
		"SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;received=192.0.2.66",
		"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1",
	} {
		a.send(to, request(1, via))
		got := b.next().msg
		top, _, more := strings.Cut(via, ", ")
		want, err := sip.ParseVia(top)
		if err != nil {
			t.Fatal(err)
		}
		text := want.Received(from.Addr).String()
		if more {
			text += ", SIP/2.0/UDP 192.0.2.7"
		}
		if got.Get(sip.Via) != text {
			t.Errorf("Via %q\nbecame %q\nwant   %q", via, got.Get(sip.Via), text)
		}
	}
	a.send(to, request(2, "nonsense"))
	if m := b.next().msg; m.Get(sip.Via) != "nonsense" {
		t.Errorf("Via that cannot be read became %q", m.Get(sip.Via))
	}
	a.send(to, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;rport\r\nContent-Length: 0\r\n\r\n")
	if m := b.next().msg; m.Get(sip.Via) != "SIP/2.0/UDP 192.0.2.9;rport" {
		t.Errorf("Via of a response became %q", m.Get(sip.Via))
	}
}

func TestUDPWildcardIsDualStack_U28(t *testing.T) {
	needIPv6(t)
	b := newPeer(t, transport.Config{})
	port := b.listen(transport.UDP, "[::]:0").Addr.Port()
	for _, ip := range []string{"127.0.0.1", "::1"} {
		a := newPeer(t, transport.Config{})
		atA := a.listen(transport.UDP, netip.AddrPortFrom(addr(ip), 0).String())
		a.send(transport.Target{Protocol: transport.UDP, Addr: netip.AddrPortFrom(addr(ip), port)}, request(1, someVia))
		in := b.next()
		if in.from.Target != atA {
			t.Errorf("came from %v, want %v", in.from.Target, atA)
		}
		b.send(in.from.Target, request(2, someVia)) // IPv4 through the socket of IPv6.
		if n := number(t, a.next().msg); n != 2 {
			t.Errorf("got message %d, want 2", n)
		}
		host, at := b.SentBy(in.from.Target)
		if host != sip.FormatHost(addr(ip)) || at != int(port) {
			t.Errorf("SentBy towards %s is %s port %d, want port %d", ip, host, at, port)
		}
		mapped := netip.AddrPortFrom(netip.AddrFrom16(atA.Addr.Addr().As16()), atA.Addr.Port())
		b.send(transport.Target{Protocol: transport.UDP, Addr: mapped}, request(3, someVia))
		a.next()
	}
}

func TestUDPSocketOfTheRightFamily_U28(t *testing.T) {
	needIPv6(t)
	b := newPeer(t, transport.Config{})
	at4, at6 := b.listen(transport.UDP, "127.0.0.1:0"), b.listen(transport.UDP, "[::1]:0")
	a := newPeer(t, transport.Config{})
	to4, to6 := a.listen(transport.UDP, "127.0.0.1:0"), a.listen(transport.UDP, "[::1]:0")
	for _, c := range []struct{ from, to transport.Target }{{at4, to4}, {at6, to6}} {
		b.send(c.to, request(1, someVia))
		if in := a.next(); in.from.Target != c.from {
			t.Errorf("sent to %v from %v, want %v", c.to, in.from.Target, c.from)
		}
	}
}

// TestUDPSocketOfTheRoute: among several sockets the one on the address that the
// system uses towards the target.
func TestUDPSocketOfTheRoute(t *testing.T) {
	b := newPeer(t, transport.Config{})
	b.listen(transport.UDP, "127.0.0.2:0")
	want := b.listen(transport.UDP, "127.0.0.1:0")
	a := newPeer(t, transport.Config{})
	to := a.listen(transport.UDP, "127.0.0.1:0")
	b.send(to, request(1, someVia))
	if in := a.next(); in.from.Target != want {
		t.Errorf("came from %v, want %v", in.from.Target, want)
	}
}

func TestUDPKeepAlivesAndRubbish_Z18(t *testing.T) {
	b := newPeer(t, transport.Config{})
	to := b.listen(transport.UDP, "127.0.0.1:0")
	raw, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	for _, data := range []string{
		"", "\r\n", "\r\n\r\n", "\n",
		"\x00\x01\x00\x00\x21\x12\xa4\x42", "\x00\x00\x00\x00", "\x01\x01",
		"jaK", "GET / HTTP/1.1\r\n\r\n", "\xff\xfe", strings.Repeat("A", 60000), "OPTIONS sip:a SIP/2.0\r\nVia: x",
		request(7, someVia),
	} {
		if _, err := raw.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, b.next().msg); n != 7 {
		t.Errorf("message %d, want 7", n)
	}
	s := b.Stats()
	if s.KeepAlives != 4 || s.NotSIP != 3 || s.ParseErrors != 5 || s.Received != 1 {
		t.Errorf("stats %+v, want 4 keep-alives, 3 not SIP, 5 parse errors, 1 received", s)
	}
}

func TestUDPLargestDatagram_Z18(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	a.listen(transport.UDP, "127.0.0.1:0")
	to := b.listen(transport.UDP, "127.0.0.1:0")
	head := "MESSAGE sip:a@b SIP/2.0\r\nVia: " + someVia + "\r\n\r\n"
	whole := head + strings.Repeat("y", 65507-len(head))
	a.send(to, whole)
	if m := b.next().msg; len(m.Body) != len(whole)-len(head) {
		t.Errorf("body of %d bytes, want %d", len(m.Body), len(whole)-len(head))
	}
	if err := a.Send(to, []byte(whole+"y"), nil); err == nil {
		t.Error("a datagram of 65508 bytes was taken")
	}
	if a.Stats().SendErrors != 1 {
		t.Errorf("stats %+v, want 1 send error", a.Stats())
	}
}

// TestUDPOrder: what is sent one after the other is handled one after the other.
func TestUDPOrder(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	a.listen(transport.UDP, "127.0.0.1:0")
	to := b.listen(transport.UDP, "127.0.0.1:0")
	const burst, bursts = 50, 40
	for i := range bursts {
		for j := range burst {
			a.send(to, request(i*burst+j, someVia))
		}
		for j := range burst {
			if n := number(t, b.next().msg); n != i*burst+j {
				t.Fatalf("message %d came where %d was sent", n, i*burst+j)
			}
		}
	}
}

func TestSendErrors(t *testing.T) {
	p := newPeer(t, transport.Config{})
	v4 := netip.MustParseAddrPort("127.0.0.1:5060")
	for _, c := range []struct {
		to   transport.Target
		want error
	}{
		{transport.Target{Protocol: transport.UDP, Addr: v4}, transport.ErrNoSocket},
		{transport.Target{Protocol: transport.TLS, Addr: v4}, transport.ErrUnsupported},
		{transport.Target{Addr: v4}, transport.ErrUnsupported},
		{transport.Target{Protocol: transport.UDP}, transport.ErrTarget},
		{transport.Target{Protocol: transport.TCP, Addr: netip.MustParseAddrPort("127.0.0.1:0")}, transport.ErrTarget},
		{transport.Target{Protocol: transport.TCP, Addr: netip.MustParseAddrPort("0.0.0.0:5060")}, transport.ErrTarget},
	} {
		if err := p.Send(c.to, []byte("x"), nil); !errors.Is(err, c.want) {
			t.Errorf("Send to %v: %v, want %v", c.to, err, c.want)
		}
	}
	p.listen(transport.UDP, "127.0.0.1:0")
	v6 := netip.MustParseAddrPort("[2001:db8::1]:5060")
	if err := p.Send(transport.Target{Protocol: transport.UDP, Addr: v6}, nil, nil); !errors.Is(err, transport.ErrNoSocket) {
		t.Errorf("Send to IPv6 by a socket of IPv4: %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	p := newPeer(t, transport.Config{})
	at := p.listen(transport.UDP, "127.0.0.1:0").Addr.String()
	for _, c := range []struct {
		protocol transport.Protocol
		addr     string
	}{{transport.UDP, at}, {transport.UDP, "nonsense"}, {transport.TCP, "127.0.0.1:99999"}, {transport.TLS, "127.0.0.1:0"}} {
		if _, err := p.Listen(t.Context(), c.protocol, c.addr); err == nil || !strings.Contains(err.Error(), c.addr) {
			t.Errorf("Listen on %s %s: %v, want an error with the address", c.protocol, c.addr, err)
		}
	}
	bad := newPeer(t, transport.Config{Advertise: "a b"})
	if _, err := bad.Listen(t.Context(), transport.UDP, "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("Listen with a bad advertised address: %v", err)
	}
}

// TestTorture_Z16 sends every torture message by both protocols: each is handed on
// or counted, and the layer lives.
func TestTorture_Z16(t *testing.T) {
	files, err := filepath.Glob("../testdata/*/*.dat")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d torture messages, %v", len(files), err)
	}
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	a.listen(transport.UDP, "127.0.0.1:0")
	udp, tcp := b.listen(transport.UDP, "127.0.0.1:0"), b.listen(transport.TCP, "127.0.0.1:0")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		a.send(udp, string(data))
		c := dial(t, tcp)
		write(t, c, string(data))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, c)
	}
	a.send(udp, request(1, someVia))
	for {
		if m := b.next(); m.from.Protocol == transport.UDP && m.msg.Get(sip.CallID) == "1" {
			break
		}
	}
	t.Logf("of %d messages, each by UDP and TCP: %+v", len(files), b.Stats())
	if s := b.Stats(); s.OpenConnections != 0 || s.Received < uint64(len(files)) {
		t.Errorf("stats %+v", s)
	}
}

func TestUDPSendDoesNotAllocate(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	a.listen(transport.UDP, "127.0.0.1:0")
	a.listen(transport.UDP, "127.0.0.2:0")                                                             // So that a choice has to be made.
	sink, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0"))) // Else ICMP comes back.
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	to := transport.Target{Protocol: transport.UDP, Addr: netip.MustParseAddrPort(sink.LocalAddr().String())}
	data := []byte(request(1, someVia))
	if n := testing.AllocsPerRun(100, func() { _ = a.Send(to, data, nil) }); n != 0 {
		t.Errorf("Send by UDP makes %v allocations", n)
	}
	b.listen(transport.UDP, "[::]:0")
	if n := testing.AllocsPerRun(100, func() { b.SentBy(to) }); n != 0 {
		t.Errorf("SentBy makes %v allocations", n)
	}
}

func BenchmarkUDPSend(b *testing.B) {
	a := newPeer(b, transport.Config{})
	a.listen(transport.UDP, "127.0.0.1:0")
	sink, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = sink.Close() }()
	to := transport.Target{Protocol: transport.UDP, Addr: sink.LocalAddr().(*net.UDPAddr).AddrPort()}
	data := []byte(request(1, someVia))
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Send(to, data, nil); err != nil {
			b.Fatal(err)
		}
	}
}
