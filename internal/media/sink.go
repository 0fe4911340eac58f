// Package media owns the sink: one UDP port, shared by all calls, that the offers
// of the server name and that swallows whatever comes.
//
// Nothing is ever sent from it (row F28), and nothing is read either: the socket
// is bound, so the system answers no packet with an ICMP error, and its small
// buffer overflows in the kernel at no cost to this process. It starts no
// goroutine.
package media

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// buffer is the receive buffer asked for, in bytes: the system's minimum will do.
const buffer = 1

// Sink is the bound port. Use Open.
type Sink struct{ conn net.PacketConn }

// Open binds the sink to a UDP port of all local addresses; 0 lets the system
// pick one.
func Open(ctx context.Context, port int) (*Sink, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", ":"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("media.port %d: %w", port, err)
	}
	if u, ok := conn.(*net.UDPConn); ok {
		if err := u.SetReadBuffer(buffer); err != nil {
			conn.Close()
			return nil, fmt.Errorf("media.port %d: %w", port, err)
		}
	}
	return &Sink{conn: conn}, nil
}

// Port is the port that the sink has.
func (s *Sink) Port() uint16 {
	if a, ok := s.conn.LocalAddr().(*net.UDPAddr); ok {
		return a.AddrPort().Port()
	}
	return 0
}

// Close gives the port back.
func (s *Sink) Close() error { return s.conn.Close() }
