package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"callcontroller/internal/sip"
)

// socket is one UDP socket.
type socket struct {
	layer *Layer
	pc    PacketConn
	local netip.AddrPort
	wait  wait
}

func (s *socket) send(to netip.AddrPort, data []byte) error {
	_, err := s.pc.WriteToUDPAddrPort(data, to)
	if isICMP(err) { // About one sent before: the system tells it to whoever comes next.
		s.undelivered()
		_, err = s.pc.WriteToUDPAddrPort(data, to)
	}
	if err != nil {
		s.layer.count.sendErrors.Add(1)
		if errors.Is(err, net.ErrClosed) {
			err = ErrClosed
		}
		return fmt.Errorf("send to UDP %s: %w", to, err)
	}
	s.layer.count.sent.Add(1)
	return nil
}

// serve is the read loop. Its buffer is used again at once, for a message copies
// what it keeps.
func (s *socket) serve() {
	buf, times := make([]byte, sip.MaxMessageSize), make([]byte, timesRoom)
	for {
		n, from, waited, err := receive(s.pc, buf, times)
		if err == nil {
			s.wait.note(waited)
			s.take(buf[:n], unmap(from))
			continue
		}
		if errors.Is(err, net.ErrClosed) || s.layer.ctx.Err() != nil {
			return
		}
		if isICMP(err) {
			s.undelivered()
			continue
		}
		s.layer.log.Warn("UDP socket", "address", s.local, "error", err)
		if !s.layer.pause() {
			return
		}
	}
}

// undelivered tells of the datagrams that have come back. It may be called from within
// Send, so they are told by a goroutine of their own.
func (s *socket) undelivered() {
	tell := s.layer.config.Undelivered
	takeErrors(s.pc, func(data []byte) {
		if tell == nil {
			return
		}
		quoted := bytes.Clone(data)
		s.layer.wg.Go(func() { tell(quoted) })
	})
}

func (s *socket) take(data []byte, from netip.AddrPort) {
	switch {
	case onlyLineEnds(data):
		s.layer.count.keepAlives.Add(1)
	case data[0] <= 1:
		// STUN starts with two zero bits and a method, 0 or 1 (RFC 5389 section 6);
		// some phones send zero bytes as a keep-alive.
		s.layer.count.notSIP.Add(1)
	default:
		s.layer.deliver(data, Source{Target: Target{UDP, from}, Local: s.local, socket: s})
	}
}

func onlyLineEnds(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}
