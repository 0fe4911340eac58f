package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"callcontroller/internal/sip"
)

// Errors of Send and Reply: the message was not taken.
var (
	// ErrClosed tells that the layer has been closed.
	ErrClosed = errors.New("transport is closed")
	// ErrQueueFull tells that the peer of that one connection reads too slowly.
	ErrQueueFull = errors.New("too many messages wait for this connection")
	// ErrTooManyConnections tells that MaxConnections or MaxConnectionsPerAddress
	// are open.
	ErrTooManyConnections = errors.New("too many connections")
	// ErrUnsupported tells that the protocol is not spoken.
	ErrUnsupported = errors.New("protocol is not supported yet")
	// ErrNoSocket tells that nothing listens in the family of the target's address.
	ErrNoSocket = errors.New("no socket of this address family")
	// ErrTarget tells that a target has no address or no port.
	ErrTarget = errors.New("target has no address or no port")
)

// Layer owns all sockets and connections. Use New.
type Layer struct {
	config Config
	handle Handler
	log    *slog.Logger
	name   advertised
	routes routes
	conns  connTable
	count  counters

	ctx    context.Context //nolint:containedctx // The life of the layer, which its dials end with.
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines

	mu        sync.RWMutex
	closed    bool
	sites     []site // in the order of Listen
	listeners []net.Listener
}

// New makes a layer without any socket. h gets every message that arrives.
func New(c Config, h Handler) *Layer {
	c = c.withDefaults()
	l := &Layer{config: c, handle: h, log: c.Log, name: parseAdvertised(c.Advertise)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.routes.net = c.Net
	l.conns.limits(c.MaxConnections, c.MaxConnectionsPerAddress)
	return l
}

// Listen opens a socket on "host:port" and serves it until Close; port 0 lets the
// system pick. It returns the address in force. ctx bounds only the call itself.
func (l *Layer) Listen(ctx context.Context, p Protocol, addr string) (netip.AddrPort, error) {
	if l.name.err != nil {
		return netip.AddrPort{}, l.name.err
	}
	var at netip.AddrPort
	var err error
	switch p {
	case UDP:
		at, err = l.listenPacket(ctx, addr)
	case TCP:
		at, err = l.listenStream(ctx, p, addr)
	default:
		err = ErrUnsupported
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on %s %q: %w", p, addr, err)
	}
	l.log.Info("listening for SIP", "protocol", p.String(), "address", at.String())
	return at, nil
}

func (l *Layer) listenPacket(ctx context.Context, addr string) (netip.AddrPort, error) {
	pc, err := l.config.Net.ListenPacket(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	s := &socket{layer: l, pc: pc, local: addrPort(pc.LocalAddr())}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return netip.AddrPort{}, errors.Join(ErrClosed, pc.Close())
	}
	l.sites = append(l.sites, newSite(UDP, s.local, s))
	l.wg.Go(s.serve)
	return s.local, nil
}

func (l *Layer) listenStream(ctx context.Context, p Protocol, addr string) (netip.AddrPort, error) {
	ln, err := l.config.Net.Listen(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	local := addrPort(ln.Addr())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return netip.AddrPort{}, errors.Join(ErrClosed, ln.Close())
	}
	l.sites = append(l.sites, newSite(p, local, nil))
	l.listeners = append(l.listeners, ln)
	l.wg.Go(func() { l.accept(p, ln) })
	return local, nil
}

// Send sends one message to t. It never blocks on the network: UDP is one system
// call; on a stream the message is queued and written, after a dial when there is
// no connection to or from t, by a goroutine of the connection.
//
// An error means that the message was not taken; a later failure is told to s
// (which may be nil) exactly once. data must not be changed after the call.
func (l *Layer) Send(t Target, data []byte, s Sender) error {
	t.Addr = unmap(t.Addr)
	if !t.Addr.Addr().IsValid() || t.Addr.Addr().IsUnspecified() || t.Addr.Port() == 0 {
		return fmt.Errorf("send to %s: %w", t, ErrTarget)
	}
	switch t.Protocol {
	case UDP:
		at, ok := l.site(UDP, t.Addr.Addr())
		if !ok {
			return l.noSocket(t)
		}
		return at.socket.send(t.Addr, data)
	case TCP:
		return l.sendStream(t, outgoing{data, s})
	default:
		return fmt.Errorf("send to %s: %w", t, ErrUnsupported)
	}
}

func (l *Layer) noSocket(t Target) error {
	if l.ctx.Err() != nil {
		return ErrClosed
	}
	return fmt.Errorf("send to %s: %w", t, ErrNoSocket)
}

// sendStream queues o on the connection to t, a new one when there is none.
func (l *Layer) sendStream(t Target, o outgoing) error {
	for {
		c, made, err := l.conns.toward(l, t)
		if err != nil {
			return fmt.Errorf("send to %s: %w", t, err)
		}
		err = c.enqueue(o)
		if made {
			go c.dial()
		}
		if !errors.Is(err, errGone) {
			return err
		}
		l.conns.retire(c) // It closed this moment; the next is a new one.
	}
}

// Reply sends a response to where its request came from: by UDP to the source
// address and port through the same socket (RFC 3581 section 4, whether or not
// rport was asked for), on a stream by the same connection or, when that has
// closed, by one to the source address and viaPort, the sent-by port of the top
// Via (0 where it names none; RFC 3261 section 18.2.2). data must not be changed
// after the call.
func (l *Layer) Reply(s Source, viaPort int, data []byte) error {
	if !s.Protocol.Reliable() {
		if s.socket != nil {
			return s.socket.send(s.Addr, data)
		}
		return l.Send(s.Target, data, nil)
	}
	if s.conn != nil {
		if err := s.conn.enqueue(outgoing{data: data}); !errors.Is(err, errGone) {
			return err
		}
	}
	port := s.Protocol.DefaultPort()
	if viaPort > 0 && viaPort < 1<<16 {
		port = uint16(viaPort)
	}
	return l.Send(Target{s.Protocol, netip.AddrPortFrom(s.Addr.Addr(), port)}, data, nil)
}

// Close closes all sockets and connections and waits for all goroutines, so for
// handlers that run too. Messages that still wait are failed. It must not be
// called by a handler.
func (l *Layer) Close() error {
	l.mu.Lock()
	var errs []error
	if !l.closed {
		for _, ln := range l.listeners {
			errs = append(errs, ln.Close())
		}
		for _, s := range l.sites {
			if s.socket != nil {
				errs = append(errs, s.socket.pc.Close())
			}
		}
	}
	l.closed, l.sites, l.listeners = true, nil, nil
	l.mu.Unlock()
	l.cancel()
	for _, c := range l.conns.close() {
		c.shut(ErrClosed)
	}
	l.wg.Wait()
	return errors.Join(errs...)
}

// deliver parses one message and hands it on.
func (l *Layer) deliver(data []byte, from Source) {
	m, err := sip.Parse(data)
	if err != nil {
		l.drop(from.Target, err)
		return
	}
	if m.IsRequest() {
		if v, err := m.Via(); err == nil {
			m.SetTopVia(v.Received(from.Addr))
		}
	}
	l.count.received.Add(1)
	l.handle(m, from)
}

// drop notes bytes of which nothing could be made. Their content is not logged:
// it may hold anything, credentials included.
func (l *Layer) drop(from Target, err error) {
	l.count.parseErrors.Add(1)
	l.log.Debug("SIP message dropped", "peer", from, "error", err)
}

// pause waits a little after an error that may last, such as too many open files,
// so that its loop does not spin. It tells whether to go on.
func (l *Layer) pause() bool {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}
