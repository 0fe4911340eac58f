package httpapi

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// strict is a listener whose connections end at the first request that could be read
// in two ways, see headCheck.
type strict struct{ net.Listener }

// Accept implements net.Listener.
func (l strict) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*tls.Conn); ok {
		return &strictTLS{strictConn{Conn: t}, t}, nil
	}
	return &strictConn{Conn: c}, nil
}

// strictConn gives net/http no more of a faulty request than its good front, and then
// what it answers with 400 and the end of the connection.
type strictConn struct {
	net.Conn
	check  headCheck
	faulty bool
	last   []byte // what is still given when it is faulty
}

// Read implements net.Conn.
func (c *strictConn) Read(p []byte) (int, error) {
	if c.faulty {
		if len(c.last) == 0 {
			return 0, io.EOF
		}
		n := copy(p, c.last)
		c.last = c.last[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	good := c.check.scan(p[:n])
	if good == n {
		return n, err
	}
	c.faulty, c.last = true, []byte("\x00\r\n\r\n") // A line that is no field: net/http refuses it.
	if good == 0 {
		return c.Read(p)
	}
	return good, nil
}

// strictTLS is one over TLS, as net/http wants to see it.
type strictTLS struct {
	strictConn
	conn *tls.Conn
}

// ConnectionState tells net/http that the requests came over TLS. It asks before
// anything was read, so before the handshake: what was agreed on is not in it.
func (c *strictTLS) ConnectionState() tls.ConnectionState { return c.conn.ConnectionState() }

// Read shakes hands first. Who speaks plain HTTP is told so, as net/http would.
func (c *strictTLS) Read(p []byte) (int, error) {
	n, err := c.strictConn.Read(p)
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && e.Conn != nil {
		_, _ = io.WriteString(e.Conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nthis port speaks HTTPS\n") // The last word: nobody waits for it.
	}
	return n, err
}
