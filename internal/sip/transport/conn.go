package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// connState is the life of a connection:
//
//	dialling --> open --> draining --> closed
//
// with a way from each to closed. Draining is when the peer has said its last word
// (or one that ends the framing) while answers to it still wait.
type connState uint8

const (
	dialling connState = iota
	open
	draining
	closed
)

var (
	errGone   = errors.New("connection has closed")
	errIdle   = errors.New("connection was idle too long")
	errSlow   = errors.New("message took too long to come")
	errSilent = errors.New("no message came in time")
)

// conn is one stream connection. One goroutine dials (when it is ours) and reads;
// one writes while something is queued.
type conn struct {
	layer   *Layer
	peer    Target
	inbound bool

	lastWrite atomic.Int64 // Unix time in ns

	mu      sync.Mutex
	nc      net.Conn // nil while dialling; never changed after
	local   netip.AddrPort
	state   connState
	queue   []outgoing
	writing bool
}

// outgoing is one message on its way, and whom to tell when it fails.
type outgoing struct {
	data   []byte
	sender Sender
}

// enqueue takes a message for the writer. It fails with errGone when the
// connection takes no more.
func (c *conn) enqueue(o outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= draining {
		return errGone
	}
	if len(c.queue) >= c.layer.config.WriteQueue {
		c.layer.count.sendErrors.Add(1)
		return fmt.Errorf("send to %s: %w", c.peer, ErrQueueFull)
	}
	c.queue = append(c.queue, o)
	if c.state == open {
		c.startWriter()
	}
	return nil
}

// startWriter is called with c.mu held, while the reader still counts in the wait
// group, so that Close cannot have got past its wait.
func (c *conn) startWriter() {
	if !c.writing && len(c.queue) > 0 {
		c.writing = true
		c.layer.wg.Go(c.write)
	}
}

// write writes what is queued and ends.
func (c *conn) write() {
	for {
		o, ok := c.next()
		if !ok {
			return
		}
		// An error of SetWriteDeadline is that of the Write which follows.
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.layer.config.WriteTimeout))
		if _, err := c.nc.Write(o.data); err != nil {
			c.failed(o, err)
			c.shut(err)
			return
		}
		c.layer.count.sent.Add(1)
		c.lastWrite.Store(time.Now().UnixNano())
	}
}

// next takes the first message off the queue. When there is none, the writer is
// over, and so is a connection that was only draining.
func (c *conn) next() (o outgoing, ok bool) {
	c.mu.Lock()
	if len(c.queue) > 0 {
		o = c.queue[0]
		n := copy(c.queue, c.queue[1:])
		c.queue[n] = outgoing{}
		c.queue = c.queue[:n]
		c.mu.Unlock()
		return o, true
	}
	c.writing = false
	over := c.state == draining
	c.mu.Unlock()
	if over {
		c.shut(io.EOF)
	}
	return outgoing{}, false
}

func (c *conn) failed(o outgoing, err error) {
	c.layer.count.sendErrors.Add(1)
	if o.sender != nil {
		o.sender.SendFailed(fmt.Errorf("send to %s: %w", c.peer, err))
	}
}

// dial makes the connection and reads from it. Its place in the wait group was
// taken when c was made.
func (c *conn) dial() {
	defer c.layer.wg.Done()
	ctx, cancel := context.WithTimeout(c.layer.ctx, c.layer.config.DialTimeout)
	defer cancel()
	nc, err := c.layer.config.Net.Dial(ctx, c.layer.dialFrom(c.peer), c.peer.Addr)
	if err != nil {
		if c.layer.ctx.Err() != nil {
			err = ErrClosed
		}
		c.shut(err)
		return
	}
	if !c.opened(nc) {
		_ = nc.Close()
		return
	}
	c.layer.count.dialled.Add(1)
	c.read()
}

// dialFrom is the address on which we listen, if it is one: the peer may know us
// by it.
func (l *Layer) dialFrom(t Target) netip.AddrPort {
	at, ok := l.site(t.Protocol, t.Addr.Addr())
	if !ok || at.host == "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(at.local.Addr(), 0)
}

// opened tells false when c was closed while it was being dialled.
func (c *conn) opened(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != dialling {
		return false
	}
	c.nc, c.local, c.state = nc, addrPort(nc.LocalAddr()), open
	c.startWriter()
	return true
}

// drain lets the writer finish what waits, and closes then.
func (c *conn) drain(err error) {
	c.layer.conns.retire(c)
	c.mu.Lock()
	wait := c.state == open && c.writing
	if wait {
		c.state = draining
	}
	c.mu.Unlock()
	if !wait {
		c.shut(err)
	}
}

// shut closes the connection and fails what waits. It may be called often and by
// anyone, but not under a lock.
func (c *conn) shut(err error) {
	c.mu.Lock()
	if c.state == closed {
		c.mu.Unlock()
		return
	}
	waiting, nc := c.queue, c.nc
	c.state, c.queue = closed, nil
	c.mu.Unlock()
	c.layer.conns.remove(c)
	if nc != nil {
		_ = nc.Close()
	}
	c.layer.log.Debug("SIP connection closed", "peer", c.peer, "reason", err)
	for _, o := range waiting {
		c.failed(o, err)
	}
}
