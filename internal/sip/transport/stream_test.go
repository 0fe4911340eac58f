package transport_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

func TestTCPThereAndBack(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			if host == "[::1]" {
				needIPv6(t)
			}
			a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
			to := b.listen(transport.TCP, host+":0")
			a.send(to, request(1, someVia))
			in := b.next()
			if in.from.Protocol != transport.TCP || in.from.Local != to.Addr {
				t.Errorf("came by %v to %v, want %v", in.from.Target, in.from.Local, to.Addr)
			}
			v, err := in.msg.Via()
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := v.Params.Get("received"); got != to.Addr.Addr().String() {
				t.Errorf("received=%q, want %s", got, to.Addr.Addr())
			}
			if err := b.Reply(in.from, 9, []byte("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			if out := a.next(); out.msg.Status != 200 || out.from.Target != to {
				t.Errorf("answer %d from %v, want 200 from %v", out.msg.Status, out.from.Target, to)
			}
		})
	}
}

func TestTCPWildcardIsDualStack_U28(t *testing.T) {
	needIPv6(t)
	b := newPeer(t, transport.Config{})
	port := b.listen(transport.TCP, "[::]:0").Addr.Port()
	a := newPeer(t, transport.Config{})
	for _, ip := range []string{"127.0.0.1", "::1"} {
		a.send(transport.Target{Protocol: transport.TCP, Addr: netip.AddrPortFrom(addr(ip), port)}, request(1, someVia))
		if in := b.next(); in.from.Addr.Addr() != addr(ip) || in.from.Local.Addr() != addr(ip) {
			t.Errorf("came from %v to %v, want %s", in.from.Addr, in.from.Local, ip)
		}
	}
}

// TestTCPFraming writes the same messages in all kinds of pieces.
func TestTCPFraming(t *testing.T) {
	b := newPeer(t, transport.Config{})
	to := b.listen(transport.TCP, "127.0.0.1:0")
	const messages = 20
	var all strings.Builder
	for n := range messages {
		all.WriteString(request(n, someVia))
		all.WriteString(strings.Repeat("\r\n", n%2)) // Line ends between messages are allowed.
	}
	for _, size := range []int{1, 2, 3, 7, 61, 1000, all.Len()} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			c := dial(t, to)
			for rest := all.String(); rest != ""; {
				n := min(size, len(rest))
				write(t, c, rest[:n])
				rest = rest[n:]
			}
			for n := range messages {
				in := b.next()
				if got := number(t, in.msg); got != n || len(in.msg.Body) != n%40 {
					t.Fatalf("message %d with a body of %d bytes, want %d with %d", got, len(in.msg.Body), n, n%40)
				}
			}
		})
	}
}

func TestTCPPing(t *testing.T) {
	b := newPeer(t, transport.Config{})
	c := dial(t, b.listen(transport.TCP, "127.0.0.1:0"))
	write(t, c, request(1, someVia))
	in := b.next()
	pong := make([]byte, 2)
	for _, ping := range [][]string{{"\r\n\r\n"}, {"\r\n", "\r\n"}, {"\r", "\n\r\n"}} {
		for _, part := range ping {
			write(t, c, part)
		}
		if _, err := c.Read(pong[:1]); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(pong[1:]); err != nil || string(pong) != "\r\n" {
			t.Errorf("ping %q was answered %q, %v", ping, pong, err)
		}
	}
	// A single line end is the answer to a ping, or an end after a message.
	write(t, c, "\r\n"+request(2, someVia)+"\r\n"+request(3, someVia))
	b.next()
	b.next()
	if err := b.Reply(in.from, 0, []byte("SIP/2.0 299 Next\r\nContent-Length: 0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if m := readMessage(t, c); m.Status != 299 {
		t.Errorf("status %d, want 299", m.Status)
	}
	if n := b.Stats().KeepAlives; n != 3 {
		t.Errorf("%d keep-alives counted, want 3", n)
	}
}

// TestTCPBrokenFraming: where a stream cannot be followed, it is closed; a request
// with a bad length is still handed on, for its 400 (RFC 3261 section 18.3).
func TestTCPBrokenFraming_Z18(t *testing.T) {
	b := newPeer(t, transport.Config{})
	to := b.listen(transport.TCP, "127.0.0.1:0")
	head := "OPTIONS sip:a@b SIP/2.0\r\nVia: " + someVia + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
	for name, c := range map[string]struct {
		data    string
		answers bool
	}{
		"no length":       {head + "\r\n", false},
		"http":            {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", false},
		"endless header":  {head + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 70), false},
		"tls hello":       {"\x16\x03\x01" + strings.Repeat("\x00\n\n", 100), false},
		"negative length": {head + "Content-Length: -1\r\n\r\n", true},
		"1 GB":            {head + "Content-Length: 1073741824\r\n\r\nxx", true},
		"two lengths":     {head + "Content-Length: 1\r\nl: 2\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, to)
			write(t, conn, c.data)
			if c.answers {
				in := b.next()
				if err := in.msg.Validate(); err == nil {
					t.Error("a message with a bad length is valid")
				}
				// The handler answers at once, on the read loop; here it is too late.
			}
			wantClosed(t, conn)
		})
	}
	if n := b.Stats().ParseErrors; n != 7 {
		t.Errorf("%d parse errors counted, want 7", n)
	}
	eventually(t, "all connections closed", func() bool { return b.Stats().OpenConnections == 0 })
}

// TestTCPUnparsable: what is framed well but no SIP is dropped, and the stream goes
// on.
func TestTCPUnparsable(t *testing.T) {
	b := newPeer(t, transport.Config{})
	c := dial(t, b.listen(transport.TCP, "127.0.0.1:0"))
	write(t, c, "rubbish\r\nContent-Length: 3\r\n\r\nabc"+request(5, someVia))
	if n := number(t, b.next().msg); n != 5 {
		t.Errorf("message %d, want 5", n)
	}
	if n := b.Stats().ParseErrors; n != 1 {
		t.Errorf("%d parse errors counted, want 1", n)
	}
}

// TestAnswersBeforeTheEnd: a peer that has ended its side, or broken its framing,
// still gets the answers that the handler gave.
func TestAnswersBeforeTheEnd(t *testing.T) {
	var l *transport.Layer
	l = transport.New(transport.Config{}, func(m *sip.Message, from transport.Source) {
		status := 200
		if m.Validate() != nil {
			status = 400
		}
		resp := sip.NewResponse(m, status, "", "t")
		resp.Body = []byte(strings.Repeat("x", 60000))
		for range 20 { // More than the system buffers.
			if err := l.Reply(from, 0, resp.Bytes()); err != nil {
				t.Errorf("Reply: %v", err)
			}
		}
	})
	defer func() { _ = l.Close() }()
	at, err := l.Listen(t.Context(), transport.TCP, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := transport.Target{Protocol: transport.TCP, Addr: at}
	for want, length := range map[int]string{200: "0", 400: "-1"} {
		c := dial(t, to)
		write(t, c, strings.Replace(request(0, someVia), "Content-Length: 0", "Content-Length: "+length, 1))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if m := readMessage(t, c); m.Status != want {
			t.Errorf("status %d, want %d", m.Status, want)
		}
		wantClosed(t, c)
	}
	eventually(t, "all connections closed", func() bool { return l.Stats().OpenConnections == 0 })
	if s := l.Stats(); s.Sent != 40 {
		t.Errorf("%d messages sent, want 40", s.Sent)
	}
}

// TestReuse: a request goes by an open connection, whoever opened it.
func TestReuse(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	to := b.listen(transport.TCP, "127.0.0.1:0")
	a.send(to, request(1, someVia))
	in := b.next()
	a.send(to, request(2, someVia))
	if again := b.next(); again.from.Target != in.from.Target {
		t.Errorf("second request from %v, want %v", again.from.Target, in.from.Target)
	}
	b.send(in.from.Target, request(3, someVia))
	if back := a.next(); back.from.Target != to {
		t.Errorf("request back came from %v, want %v", back.from.Target, to)
	}
	if sa, sb := a.Stats(), b.Stats(); sa.Dialled != 1 || sb.Accepted != 1 || sb.Dialled != 0 || sa.OpenConnections != 1 {
		t.Errorf("stats %+v and %+v, want one connection", sa, sb)
	}
}

// TestReconnect: when the peer has closed, the next message makes a new connection.
func TestReconnect(t *testing.T) {
	a := newPeer(t, transport.Config{})
	b := newPeer(t, transport.Config{IdleTimeout: 50 * time.Millisecond})
	to := b.listen(transport.TCP, "127.0.0.1:0")
	a.send(to, request(1, someVia))
	first := b.next()
	eventually(t, "idle connection closed", func() bool { return a.Stats().OpenConnections == 0 })
	a.send(to, request(2, someVia))
	if second := b.next(); second.from.Target == first.from.Target {
		t.Error("the closed connection was used again")
	}
	eventually(t, "two connections dialled", func() bool { return a.Stats().Dialled == 2 }) // Counted behind the first message.
}

func TestDialRefused(t *testing.T) {
	a := newPeer(t, transport.Config{})
	gone := newPeer(t, transport.Config{})
	to := gone.listen(transport.TCP, "127.0.0.1:0")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	f := newFailures()
	if err := a.Send(to, []byte("x"), f); err != nil {
		t.Fatalf("Send: %v", err)
	}
	<-f.told
	if errs := f.all(); len(errs) != 1 || !strings.Contains(errs[0].Error(), to.String()) {
		t.Errorf("told %v, want one error that names %v", errs, to)
	}
	eventually(t, "connection forgotten", func() bool { return a.Stats().OpenConnections == 0 })
}

// TestReplyAfterTheConnectionClosed: RFC 3261 section 18.2.2.
func TestReplyAfterTheConnectionClosed(t *testing.T) {
	b, phone := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	listens := phone.listen(transport.TCP, "127.0.0.1:0")
	c := dial(t, b.listen(transport.TCP, "127.0.0.1:0"))
	write(t, c, request(1, someVia))
	in := b.next()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connection forgotten", func() bool { return b.Stats().OpenConnections == 0 })
	resp := sip.NewResponse(in.msg, 486, "", "t").Bytes()
	if err := b.Reply(in.from, int(listens.Addr.Port()), resp); err != nil {
		t.Fatal(err)
	}
	if got := phone.next(); got.msg.Status != 486 {
		t.Errorf("status %d, want 486", got.msg.Status)
	}
}

func TestConnectionLimits_Z18(t *testing.T) {
	for name, config := range map[string]transport.Config{
		"each address": {MaxConnectionsPerAddress: 3},
		"all":          {MaxConnections: 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPeer(t, config)
			to := b.listen(transport.TCP, "127.0.0.1:0")
			for n := range 3 {
				write(t, dial(t, to), request(n, someVia))
				b.next()
			}
			wantClosed(t, dial(t, to))
			if s := b.Stats(); s.Rejected != 1 || s.OpenConnections != 3 {
				t.Errorf("stats %+v, want 1 rejected of 4", s)
			}
			// Our own calls are not refused by what strangers hold open.
			other := newPeer(t, transport.Config{})
			b.send(other.listen(transport.TCP, "127.0.0.1:0"), request(9, someVia))
			other.next()
		})
	}
}

func TestConnectionLimitEnds(t *testing.T) {
	b := newPeer(t, transport.Config{MaxConnectionsPerAddress: 1})
	to := b.listen(transport.TCP, "127.0.0.1:0")
	for n := range 3 {
		c := dial(t, to)
		write(t, c, request(n, someVia))
		b.next()
		_ = c.Close()
		eventually(t, "connection forgotten", func() bool { return b.Stats().OpenConnections == 0 })
	}
}

// TestDialFrom: a connection comes from the address on which we listen.
func TestDialFrom(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	a.listen(transport.TCP, "127.0.0.3:0")
	a.send(b.listen(transport.TCP, "127.0.0.1:0"), request(1, someVia))
	if in := b.next(); in.from.Addr.Addr() != addr("127.0.0.3") {
		t.Errorf("came from %v, want 127.0.0.3", in.from.Addr)
	}
}

// TestStalledReader is row X20 with the system's sockets; see TestStalledReader_X20.
func TestStalledReader(t *testing.T) {
	a := newPeer(t, transport.Config{WriteTimeout: 20 * time.Millisecond})
	stuck, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stuck.Close() }()
	to := transport.Target{Protocol: transport.TCP, Addr: stuck.Addr().(*net.TCPAddr).AddrPort()}
	f := newFailures()
	big := []byte(strings.Repeat("x", 60000))
	for range 256 { // 15 MB, more than the system buffers.
		if err := a.Send(to, big, f); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the stalled connection closed", func() bool { return a.Stats().OpenConnections == 0 })
	<-f.told
	if errs := f.all(); !errors.Is(errs[0], os.ErrDeadlineExceeded) {
		t.Errorf("told %v, want a deadline", errs[0])
	}
}

// TestReplyWithoutFlow: a Source that was made by hand still finds a way.
func TestReplyWithoutFlow(t *testing.T) {
	a, b := newPeer(t, transport.Config{}), newPeer(t, transport.Config{})
	from := a.listen(transport.UDP, "127.0.0.1:0")
	for _, p := range []transport.Protocol{transport.UDP, transport.TCP} {
		to := b.listen(p, "127.0.0.1:0")
		if err := a.Reply(transport.Source{Target: to}, int(to.Addr.Port()), []byte(request(1, someVia))); err != nil {
			t.Fatal(err)
		}
		if in := b.next(); p == transport.UDP && in.from.Target != from {
			t.Errorf("came from %v, want %v", in.from.Target, from)
		}
	}
}
