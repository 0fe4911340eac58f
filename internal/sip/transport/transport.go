// Package transport owns the sockets of SIP: UDP and TCP, IPv4 and IPv6, and the
// flows over which messages come and go (RFC 3261 section 18, RFC 3581, RFC 5626
// section 3.5.1). TLS, WS and WSS are named here but not spoken yet.
//
// It knows no transaction: it parses what comes, notes in the top Via of a request
// where that came from, and hands it on. It never repeats, answers or reorders a
// message. Resolver (RFC 3263) stands beside it and is used by those who send.
//
// Goroutines: one read loop a UDP socket, one accept loop a TCP listener, one
// reader a stream connection, and one writer a connection while it has something
// to write. Close ends them all and waits for them.
package transport

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"callcontroller/internal/sip"
)

// Protocol is a transport protocol of SIP.
type Protocol uint8

// The transports of RFC 3261 and RFC 7118.
const (
	UDP Protocol = iota + 1
	TCP
	TLS
	WS
	WSS
)

// ParseProtocol reads a transport as Via or ;transport= spells it, in any case.
func ParseProtocol(s string) (Protocol, bool) {
	for p := UDP; p <= WSS; p++ {
		if strings.EqualFold(s, p.String()) {
			return p, true
		}
	}
	return 0, false
}

// String is the protocol as Via spells it.
func (p Protocol) String() string {
	switch p {
	case UDP:
		return "UDP"
	case TCP:
		return "TCP"
	case TLS:
		return "TLS"
	case WS:
		return "WS"
	case WSS:
		return "WSS"
	default:
		return ""
	}
}

// Param is the protocol as the URI parameter transport spells it.
func (p Protocol) Param() string { return strings.ToLower(p.String()) }

// Reliable tells whether the protocol repeats what is lost by itself, so that a
// transaction must not.
func (p Protocol) Reliable() bool { return p > UDP }

// DefaultPort is the port where a URI names none (RFC 3261 section 19.1.2,
// RFC 7118 section 4).
func (p Protocol) DefaultPort() uint16 {
	switch p {
	case TLS:
		return 5061
	case WS:
		return 80
	case WSS:
		return 443
	default:
		return 5060
	}
}

// Target is a next hop. It is comparable; its address is never a v4-mapped one.
type Target struct {
	Protocol Protocol
	Addr     netip.AddrPort
}

// String is the target as in "UDP 192.0.2.1:5060", for logs.
func (t Target) String() string { return t.Protocol.String() + " " + t.Addr.String() }

// LogValue makes the text only for a record that is written.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Source tells from where a message came, and carries the flow on which an answer
// goes back. A Source that was made by hand has no flow; Reply then uses whatever
// socket or connection fits.
type Source struct {
	Target
	Local netip.AddrPort // of the socket; its address is the wildcard where the socket listens on all

	socket *socket
	conn   *conn
}

// Sender is told when a message that Send took could not be delivered after all:
// on streams, where the dial or the write failed or the connection closed first.
//
// SendFailed is called by a goroutine of the connection, or by the one that runs
// Close; without any lock, never from within Send, at most once for each message.
// It must not block.
type Sender interface {
	SendFailed(err error)
}

// Handler takes what was received. It is called by the read loop of the socket or
// connection, in the order of arrival there, and must not block: nothing is read
// from that socket meanwhile. Loops of different sockets call it at the same time.
//
// The top Via of a request already holds received and rport (RFC 3261 section
// 18.2.1, RFC 3581 section 4). The message belongs to the handler.
type Handler func(m *sip.Message, from Source)

// Config is what a Layer needs. The zero value of each field stands for its
// default.
type Config struct {
	// Net makes the sockets; default System.
	Net Net
	// Advertise is HOST or HOST:PORT for Via and Contact instead of the socket's
	// own address; an IPv6 address with a port stands in brackets. Default: none.
	Advertise string
	// Undelivered is told of a datagram that came back by ICMP (RFC 3261 section 18.4);
	// data is its beginning, as far as it was quoted. Default: nobody is told.
	Undelivered func(data []byte)
	// Log; default: nothing is logged.
	Log *slog.Logger

	// MaxConnections is how many inbound stream connections may be open, and,
	// counted for itself, how many outbound ones, so that strangers cannot use
	// up what our own calls need; default 1024.
	MaxConnections int
	// MaxConnectionsPerAddress is how many inbound stream connections one IPv4
	// address or one IPv6 /64 network may have open; default 64.
	MaxConnectionsPerAddress int
	// WriteTimeout is how long the peer may take to accept one message; default 5 s.
	WriteTimeout time.Duration
	// DialTimeout is how long a connection may take to be made; default 5 s.
	DialTimeout time.Duration
	// IdleTimeout closes a stream connection on which nothing came or went;
	// default 10 min.
	IdleTimeout time.Duration
	// FirstMessageTimeout is how long an inbound connection may take to bring its
	// first whole message; default 10 s.
	FirstMessageTimeout time.Duration
	// MessageTimeout is how long a message may take from its first byte to its
	// last; default 10 s.
	MessageTimeout time.Duration
	// WriteQueue is how many messages may wait on one connection; default 256.
	WriteQueue int
}

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	if c.Net == nil {
		c.Net = System{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.MaxConnections = positive(c.MaxConnections, 1024)
	c.MaxConnectionsPerAddress = positive(c.MaxConnectionsPerAddress, 64)
	c.WriteTimeout = positive(c.WriteTimeout, 5*time.Second)
	c.DialTimeout = positive(c.DialTimeout, 5*time.Second)
	c.IdleTimeout = positive(c.IdleTimeout, 10*time.Minute)
	c.FirstMessageTimeout = positive(c.FirstMessageTimeout, 10*time.Second)
	c.MessageTimeout = positive(c.MessageTimeout, 10*time.Second)
	c.WriteQueue = positive(c.WriteQueue, 256)
	return c
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}
