package conformance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"callcontroller/internal/sip"
)

// listenTCP lets the phone take connections too; what comes by them comes out of
// next as well.
func (p *phone) listenTCP() {
	p.Helper()
	ln, err := p.net.Host(p.addr.Addr()).Listen(context.Background(), p.addr.String())
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go p.readStream(c)
		}
	}()
}

func (p *phone) readStream(c net.Conn) {
	defer c.Close()
	var s stream
	for {
		data, err := s.next(c)
		if err != nil {
			return
		}
		m, err := sip.Parse(data)
		if err != nil {
			p.Errorf("the server sent what cannot be read: %v\n%s", err, data)
			return
		}
		from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		p.in <- received{m, p.since(), from, c}
	}
}

// stream cuts messages out of a connection.
type stream struct{ rest []byte }

var errNoFrame = errors.New("the server sent what cannot be framed")

func (s *stream) next(r io.Reader) ([]byte, error) {
	for {
		skip, n, err := sip.Frame(s.rest)
		if err != nil {
			return nil, errors.Join(errNoFrame, err)
		}
		if s.rest = s.rest[skip:]; n > 0 {
			m := s.rest[:n]
			s.rest = s.rest[n:]
			return m, nil
		}
		buf := make([]byte, 65536)
		n, err = r.Read(buf)
		if s.rest = append(s.rest, buf[:n]...); err != nil {
			return nil, err
		}
	}
}

// caller is a peer that connects to the server.
type caller struct {
	*lab
	net.Conn
	from netip.AddrPort
}

// dial connects a host to the server by TCP.
func (l *lab) dial(host netip.Addr) *caller {
	l.Helper()
	c, err := l.net.Host(host).Dial(context.Background(), netip.AddrPort{}, l.server)
	if err != nil {
		l.Fatal(err)
	}
	from, _ := netip.ParseAddrPort(c.LocalAddr().String())
	return &caller{l, c, from}
}

// readFor gives what comes within d, and after how long the server closed the
// connection, -1 when it did not.
func (c *caller) readFor(d time.Duration) (all []received, closed time.Duration) {
	c.Helper()
	begin := c.since()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		c.Fatal(err)
	}
	var s stream
	for {
		data, err := s.next(c)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return all, -1
		case errors.Is(err, errNoFrame):
			c.Errorf("%v: %q", err, s.rest)
			return all, -1
		case err != nil:
			return all, c.since() - begin
		}
		m, err := sip.Parse(data)
		if err != nil {
			c.Errorf("the server sent what cannot be read: %v\n%s", err, data)
			continue
		}
		all = append(all, received{m, c.since(), c.from, c.Conn})
	}
}
