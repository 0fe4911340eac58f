package transport_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // what a test waits for something that must come

// arrival is what a handler was given.
type arrival struct {
	msg  *sip.Message
	from transport.Source
}

// peer is a layer and what it received.
type peer struct {
	*transport.Layer
	tb  testing.TB
	got chan arrival
}

func newPeer(tb testing.TB, c transport.Config) *peer {
	tb.Helper()
	p := &peer{tb: tb, got: make(chan arrival, 4096)}
	p.Layer = transport.New(c, func(m *sip.Message, from transport.Source) { p.got <- arrival{m, from} })
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return p
}

func (p *peer) listen(protocol transport.Protocol, addr string) transport.Target {
	p.tb.Helper()
	at, err := p.Listen(p.tb.Context(), protocol, addr)
	if err != nil {
		p.tb.Fatalf("Listen: %v", err)
	}
	return transport.Target{Protocol: protocol, Addr: at}
}

func (p *peer) next() arrival {
	p.tb.Helper()
	select {
	case a := <-p.got:
		return a
	case <-time.After(patience):
		p.tb.Fatal("no message came")
		return arrival{}
	}
}

func (p *peer) send(to transport.Target, data string) {
	p.tb.Helper()
	if err := p.Send(to, []byte(data), nil); err != nil {
		p.tb.Fatalf("Send: %v", err)
	}
}

// eventually polls what no channel tells.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			tb.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// request is an OPTIONS with a number to tell it by.
func request(n int, via string) string {
	body := strings.Repeat("x", n%40)
	return "OPTIONS sip:a@example.com SIP/2.0\r\nVia: " + via + "\r\n" +
		"From: <sip:b@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nMax-Forwards: 70\r\n" +
		fmt.Sprintf("Call-ID: %d\r\nCSeq: %d OPTIONS\r\nContent-Length: %d\r\n\r\n%s", n, n+1, len(body), body)
}

const someVia = "SIP/2.0/TCP client.invalid:5999;branch=z9hG4bK1"

func number(tb testing.TB, m *sip.Message) int {
	tb.Helper()
	c, err := m.CSeq()
	if err != nil {
		tb.Fatalf("CSeq: %v", err)
	}
	return int(c.Seq) - 1
}

// failures records what a Sender is told.
type failures struct {
	mu   sync.Mutex
	errs []error
	told chan struct{}
}

func newFailures() *failures { return &failures{told: make(chan struct{}, 4096)} }

func (f *failures) SendFailed(err error) {
	f.mu.Lock()
	f.errs = append(f.errs, err)
	f.mu.Unlock()
	f.told <- struct{}{}
}

func (f *failures) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error(nil), f.errs...)
}

// dial opens a raw TCP connection to a target.
func dial(tb testing.TB, to transport.Target) *net.TCPConn {
	tb.Helper()
	var d net.Dialer
	c, err := d.DialContext(tb.Context(), "tcp", to.Addr.String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func write(tb testing.TB, c net.Conn, data string) {
	tb.Helper()
	if _, err := c.Write([]byte(data)); err != nil {
		tb.Fatal(err)
	}
}

// readMessage reads one message from a raw connection.
func readMessage(tb testing.TB, c net.Conn) *sip.Message {
	tb.Helper()
	m, err := nextMessage(c)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func nextMessage(c net.Conn) (*sip.Message, error) {
	var got []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		skip, size, frameErr := sip.Frame(got)
		if size > 0 {
			return sip.Parse(got[skip : skip+size])
		}
		if err := errors.Join(err, frameErr); err != nil {
			return nil, fmt.Errorf("after %q: %w", got, err)
		}
	}
}

// wantClosed reads until the peer closes.
func wantClosed(tb testing.TB, c net.Conn) {
	tb.Helper()
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				tb.Fatal("connection was not closed")
			}
			return
		}
	}
}

func needIPv6(tb testing.TB) {
	tb.Helper()
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		tb.Skipf("this machine has no IPv6 loopback: %v", err)
	}
	_ = c.Close()
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
