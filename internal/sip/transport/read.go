package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"callcontroller/internal/sip"
)

// accept is the loop of a listener.
func (l *Layer) accept(p Protocol, ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err == nil {
			l.welcome(p, nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) || l.ctx.Err() != nil {
			return
		}
		l.log.Warn("accept", "address", addrPort(ln.Addr()), "error", err)
		if !l.pause() {
			return
		}
	}
}

// welcome takes an inbound connection or, above the limits, closes it.
func (l *Layer) welcome(p Protocol, nc net.Conn) {
	c := &conn{
		layer: l, peer: Target{p, addrPort(nc.RemoteAddr())}, inbound: true,
		nc: nc, local: addrPort(nc.LocalAddr()), state: open,
	}
	if err := l.conns.add(c); err != nil {
		l.count.rejected.Add(1)
		l.log.Debug("SIP connection refused", "peer", c.peer, "error", err)
		_ = nc.Close()
		return
	}
	l.count.accepted.Add(1)
	l.wg.Go(c.read)
}

// read reads to the end of the connection. At a clean end, or where the framing
// is lost, answers that wait are written first.
func (c *conn) read() {
	err := c.receive()
	if errors.Is(err, io.EOF) || isFraming(err) {
		c.drain(err)
		return
	}
	c.shut(err)
}

func isFraming(err error) bool {
	return errors.Is(err, sip.ErrNoLength) || errors.Is(err, sip.ErrBadLength) || errors.Is(err, sip.ErrTooLarge)
}

func (c *conn) receive() error {
	w := watch{conn: c, began: time.Now()}
	w.lastRead = w.began
	var f frames
	for {
		room := f.room()
		if err := c.nc.SetReadDeadline(w.deadline()); err != nil {
			return err
		}
		n, err := c.nc.Read(room)
		if n > 0 {
			f.filled(n)
			if err := c.take(&f, &w); err != nil {
				return err
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = w.expired()
		}
		if err != nil {
			return err
		}
	}
}

// take hands on each whole message that has come.
func (c *conn) take(f *frames, w *watch) error {
	w.lastRead = time.Now()
	from := Source{Target: c.peer, Local: c.local, conn: c}
	for {
		msg, ping, err := f.next()
		if ping {
			c.layer.count.keepAlives.Add(1)
			_ = c.enqueue(outgoing{data: []byte("\r\n")}) // Lost when too much waits already.
		}
		if err != nil {
			c.broken(f, from, err)
			return err
		}
		if msg == nil {
			w.left(len(f.rest()) > 0)
			return nil
		}
		w.whole()
		c.layer.deliver(msg, from)
	}
}

// broken is the end of a stream that cannot be followed. The header of a request
// with a bad Content-Length is still handed on, so that it is answered 400, as
// RFC 3261 section 18.3 wants.
func (c *conn) broken(f *frames, from Source, err error) {
	c.layer.drop(c.peer, err)
	if rest := f.rest(); errors.Is(err, sip.ErrBadLength) && len(rest) <= sip.MaxMessageSize {
		c.layer.deliver(rest, from)
	}
}

// watch knows how long a connection may take.
type watch struct {
	conn     *conn
	began    time.Time // of the connection
	lastRead time.Time
	partial  time.Time // when the message that is not whole yet began; zero when there is none
	first    bool      // a whole message has come
}

// whole tells that a message came.
func (w *watch) whole() { w.first, w.partial = true, time.Time{} }

// left tells whether a part of a message is left after all that was whole.
func (w *watch) left(some bool) {
	switch {
	case !some:
		w.partial = time.Time{}
	case w.partial.IsZero():
		w.partial = w.lastRead
	}
}

// deadline is when the next byte must have come.
func (w *watch) deadline() time.Time {
	at, _ := w.limit()
	return at
}

// limit is the limit that ends first, and the fault of passing it.
func (w *watch) limit() (at time.Time, err error) {
	c := &w.conn.layer.config
	last := w.lastRead
	if written := time.Unix(0, w.conn.lastWrite.Load()); written.After(last) {
		last = written
	}
	at, err = last.Add(c.IdleTimeout), errIdle
	if !w.partial.IsZero() {
		at, err = earlier(at, err, w.partial.Add(c.MessageTimeout), errSlow)
	}
	if w.conn.inbound && !w.first {
		at, err = earlier(at, err, w.began.Add(c.FirstMessageTimeout), errSilent)
	}
	return at, err
}

func earlier(a time.Time, aErr error, b time.Time, bErr error) (time.Time, error) {
	if b.Before(a) {
		return b, bErr
	}
	return a, aErr
}

// expired is called when a read has timed out. It gives nil when something was
// written meanwhile, so that the connection is not idle.
func (w *watch) expired() error {
	at, err := w.limit()
	if time.Now().Before(at) {
		return nil
	}
	w.conn.layer.count.timedOut.Add(1)
	return err
}
