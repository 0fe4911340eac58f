package transport

import (
	"context"
	"errors"
	"net/netip"
)

// Errors of Send and Reply: the message was not taken.
var (
	// ErrClosed tells that the layer has been closed.
	ErrClosed = errors.New("transport is closed")
	// ErrQueueFull tells that the peer of that one connection reads too slowly.
	ErrQueueFull = errors.New("too many messages wait for this connection")
	// ErrTooManyConnections tells that MaxConnections outbound ones are open.
	ErrTooManyConnections = errors.New("too many connections")
	// ErrUnsupported tells that the protocol is not spoken.
	ErrUnsupported = errors.New("protocol is not supported yet")
	// ErrNoSocket tells that nothing listens in the family of the target's address.
	ErrNoSocket = errors.New("no socket of this address family")
)

// Layer owns all sockets and connections. Use New.
type Layer struct {
	config Config
	handle Handler
}

type (
	socket struct{}
	conn   struct{}
)

// New makes a layer without any socket. h gets every message that arrives.
func New(c Config, h Handler) *Layer { return &Layer{config: c.withDefaults(), handle: h} }

// Listen opens a socket on "host:port" and serves it until Close; port 0 lets the
// system pick. It returns the address in force. ctx bounds only the call itself.
func (l *Layer) Listen(ctx context.Context, p Protocol, addr string) (netip.AddrPort, error) {
	return netip.AddrPort{}, ErrUnsupported
}

// Send sends one message to t. It never blocks on the network: UDP is one system
// call; on a stream the message is queued and written, after a dial when there is
// no connection to or from t, by a goroutine of the connection.
//
// An error means that the message was not taken; a later failure is told to s
// (which may be nil) exactly once. data must not be changed after the call.
func (l *Layer) Send(t Target, data []byte, s Sender) error { return ErrUnsupported }

// Reply sends a response to where its request came from: by UDP to the source
// address and port through the same socket (RFC 3581 section 4, whether or not
// rport was asked for), on a stream by the same connection or, when that has
// closed, by one to the source address and viaPort, the sent-by port of the top
// Via (0 where it names none; RFC 3261 section 18.2.2). data must not be changed
// after the call.
func (l *Layer) Reply(s Source, viaPort int, data []byte) error { return ErrUnsupported }

// SentBy is what Via and Contact say towards t: the advertised host and port where
// they are set, else those of the listening socket; for a socket on the wildcard,
// the local address that the system would use towards t. The host is ready for
// use: IPv6 stands in brackets. The port is 0 when nothing listens.
func (l *Layer) SentBy(t Target) (host string, port int) { return "", 0 }

// Stats gives the counters as they are now.
func (l *Layer) Stats() Stats { return Stats{} }

// Close closes all sockets and connections and waits for all goroutines, so for
// handlers that run too. Messages that still wait are failed. It must not be
// called by a handler.
func (l *Layer) Close() error { return nil }

// Stats counts since New.
type Stats struct {
	Received          uint64 // messages given to the handler
	Sent              uint64 // messages that the system took
	SendErrors        uint64 // messages that could not be sent
	ParseErrors       uint64 // datagrams and stream messages that are no SIP, broken framing
	KeepAlives        uint64 // empty datagrams, CRLF datagrams, stream pings
	NotSIP            uint64 // datagrams that look like STUN
	Accepted          uint64 // inbound connections taken
	Dialled           uint64 // outbound connections made
	Rejected          uint64 // inbound connections closed at once because of a limit
	TimedOut          uint64 // connections closed for being idle or too slow
	OpenConnections   int    // now, inbound and outbound, being dialled included
	QueuedToBeWritten int    // messages that wait on connections, now
}
