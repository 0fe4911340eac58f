package memnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// backlog is how many connections may wait for Accept.
const backlog = 128

// listener is a TCP listener.
type listener struct {
	net          *Network
	shown, bound netip.AddrPort
	waiting      chan *stream
	done         chan struct{}
	close        sync.Once
}

func newListener(n *Network, shown, bound netip.AddrPort) *listener {
	return &listener{net: n, shown: shown, bound: bound, waiting: make(chan *stream, backlog), done: make(chan struct{})}
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.shown) }

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case s := <-l.waiting:
		return s, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that nobody accepted are closed.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.close.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.bound)
		l.net.mu.Unlock()
		close(l.done)
		l.refuse()
		err = nil
	})
	return err
}

func (l *listener) refuseIfClosed() {
	select {
	case <-l.done:
		l.refuse()
	default:
	}
}

// refuse closes what waits for Accept.
func (l *listener) refuse() {
	for {
		select {
		case s := <-l.waiting:
			_ = s.Close()
		default:
			return
		}
	}
}

// Dial implements transport.Net: refused when nobody listens, waiting in vain for
// a host that has vanished.
func (h *host) Dial(ctx context.Context, local, addr netip.AddrPort) (net.Conn, error) {
	n := h.net
	n.mu.Lock()
	l, gone := n.listeners[addr], n.gone[addr.Addr()] || n.gone[h.addr]
	from := local
	if !from.IsValid() || from.Port() == 0 {
		from = h.pickPort(func(netip.AddrPort) bool { return false })
	}
	n.mu.Unlock()
	switch {
	case addr.Addr().Is4() != h.addr.Is4():
		return nil, failure("dial", addr, syscall.ENETUNREACH)
	case gone:
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: net.TCPAddrFromAddrPort(addr), Err: ctx.Err()}
	case l == nil:
		return nil, failure("dial", addr, syscall.ECONNREFUSED)
	}
	ours, theirs := n.pair(from, addr)
	select {
	case l.waiting <- theirs:
		l.refuseIfClosed() // It may have closed this moment, and seen nobody wait.
		return ours, nil
	case <-l.done:
		return nil, failure("dial", addr, syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: net.TCPAddrFromAddrPort(addr), Err: ctx.Err()}
	}
}

// pair makes the two ends of a connection.
func (n *Network) pair(from, to netip.AddrPort) (ours, theirs *stream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	there, back := n.newHalf(from, to), n.newHalf(to, from)
	return &stream{in: back, out: there}, &stream{in: there, out: back}
}

// stream is one end of a connection; it implements net.Conn.
type stream struct{ in, out *half }

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.out.from) }

// RemoteAddr implements net.Conn.
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.out.to) }

// Read implements net.Conn.
func (s *stream) Read(b []byte) (int, error) { return s.in.read(b) }

// Write implements net.Conn.
func (s *stream) Write(b []byte) (int, error) {
	s.out.net.tap(s.out.from, s.out.to, b)
	return s.out.write(b)
}

// Close implements net.Conn. The peer still reads what was written.
func (s *stream) Close() error {
	s.out.end(&s.out.writerGone)
	s.in.end(&s.in.readerGone)
	return nil
}

// CloseWrite ends one direction, as *net.TCPConn does.
func (s *stream) CloseWrite() error {
	s.out.end(&s.out.writerGone)
	return nil
}

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	s.in.setDeadline(&s.in.readBy, t)
	s.out.setDeadline(&s.out.writeBy, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.in.setDeadline(&s.in.readBy, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.out.setDeadline(&s.out.writeBy, t)
	return nil
}

// half is one direction of a connection.
type half struct {
	net      *Network
	from, to netip.AddrPort

	mu         sync.Mutex
	data       []byte
	stalled    bool
	writerGone bool
	readerGone bool
	readBy     time.Time // deadline; zero is none
	writeBy    time.Time
	changed    chan struct{} // closed, and replaced, at each change
}

// newHalf is called with the network locked.
func (n *Network) newHalf(from, to netip.AddrPort) *half {
	h := &half{net: n, from: from, to: to, stalled: n.stalled[to.Addr()], changed: make(chan struct{})}
	n.halves[h] = struct{}{}
	return h
}

func (h *half) read(b []byte) (int, error) {
	for {
		h.mu.Lock()
		switch {
		case h.readerGone:
			h.mu.Unlock()
			return 0, net.ErrClosed
		case expired(h.readBy):
			h.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0 && !h.stalled:
			n := copy(b, h.data)
			h.data = h.data[n:]
			h.change()
			h.mu.Unlock()
			return n, nil
		case h.writerGone && len(h.data) == 0:
			h.mu.Unlock()
			return 0, io.EOF
		}
		h.wait(h.readBy)
	}
}

func (h *half) write(b []byte) (written int, err error) {
	for {
		h.mu.Lock()
		switch room := h.net.window - len(h.data); {
		case h.writerGone:
			h.mu.Unlock()
			return written, net.ErrClosed
		case h.readerGone:
			h.mu.Unlock()
			return written, failure("write", h.to, syscall.ECONNRESET)
		case expired(h.writeBy):
			h.mu.Unlock()
			return written, os.ErrDeadlineExceeded
		case len(b) == 0:
			h.mu.Unlock()
			return written, nil
		case room > 0:
			n := min(room, len(b))
			h.data = append(h.data, b[:n]...)
			b, written = b[n:], written+n
			h.change()
			h.mu.Unlock()
			continue
		}
		h.wait(h.writeBy)
	}
}

// wait waits for a change or the deadline. It is called with h.mu held and gives
// it back.
func (h *half) wait(by time.Time) {
	changed := h.changed
	h.mu.Unlock()
	var due <-chan time.Time
	if !by.IsZero() {
		t := time.NewTimer(time.Until(by))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-changed:
	case <-due:
	}
}

func expired(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

// change wakes who waits. It is called with h.mu held.
func (h *half) change() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *half) setDeadline(field *time.Time, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*field = t
	h.change()
}

func (h *half) stall(stalled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stalled = stalled
	h.change()
}

// end notes that one end has gone; gone is the field that says so.
func (h *half) end(gone *bool) {
	h.mu.Lock()
	*gone = true
	over := h.writerGone && h.readerGone
	h.change()
	h.mu.Unlock()
	if over {
		h.net.mu.Lock()
		delete(h.net.halves, h)
		h.net.mu.Unlock()
	}
}
