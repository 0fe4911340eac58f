package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// wantTimes lets the system tell when each datagram came (socket(7), SO_TIMESTAMP).
func wantTimes(c *net.UDPConn) {
	onSocket(c, func(fd int) {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1) // Without it nobody knows how long they wait.
	})
}

// timesRoom is the room for what the system tells with a datagram.
const timesRoom = 64

// receive reads a datagram, and tells how long it has waited; 0 when that is not known.
func receive(pc PacketConn, b, room []byte) (n int, from netip.AddrPort, waited time.Duration, err error) {
	c, ok := pc.(*net.UDPConn)
	if !ok {
		n, from, err = pc.ReadFromUDPAddrPort(b)
		return n, from, 0, err
	}
	n, told, _, from, err := c.ReadMsgUDPAddrPort(b, room)
	if came, ok := cameAt(room[:told]); ok && err == nil {
		waited = time.Since(came)
	}
	return n, from, waited, err
}

// cameAt reads a control message of type SCM_TIMESTAMPNS (cmsg(3), struct timespec).
func cameAt(b []byte) (time.Time, bool) {
	head := syscall.CmsgLen(0)
	if len(b) < head {
		return time.Time{}, false
	}
	kind := b[head-8:]
	level, what := binary.NativeEndian.Uint32(kind), binary.NativeEndian.Uint32(kind[4:])
	if level != syscall.SOL_SOCKET || what != syscall.SO_TIMESTAMPNS {
		return time.Time{}, false
	}
	switch b = b[head:]; {
	case len(b) >= 16:
		return time.Unix(int64(binary.NativeEndian.Uint64(b)), int64(binary.NativeEndian.Uint64(b[8:]))), true //nolint:gosec // as the system has it
	case len(b) >= 8: // of 32 bits
		return time.Unix(int64(binary.NativeEndian.Uint32(b)), int64(binary.NativeEndian.Uint32(b[4:]))), true
	default:
		return time.Time{}, false
	}
}
