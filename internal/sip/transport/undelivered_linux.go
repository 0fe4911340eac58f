package transport

import (
	"errors"
	"net"
	"syscall"
)

// wantErrors lets the system keep the ICMP errors about what a socket has sent, with
// the datagram that each is about (ip(7), IP_RECVERR). Without it a phone or proxy that
// is not there is noticed after 32 s only (RFC 3261 section 18.4).
func wantErrors(c *net.UDPConn) {
	onSocket(c, func(fd int) { // The one or the other is refused, by the family.
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
	})
}

// onSocket does something with the file descriptor of a socket, unless that is closed.
func onSocket(c *net.UDPConn, do func(fd int)) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { do(int(fd)) }) //nolint:gosec // a file descriptor is small
}

// isICMP tells the errors by which the system reports that the queue has something.
func isICMP(err error) bool {
	if err == nil {
		return false
	}
	e, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return false
	}
	switch e {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN:
		return true
	default:
		return false
	}
}

// takeErrors gives each datagram of the queue to take, as far as it is quoted.
func takeErrors(pc PacketConn, take func(data []byte)) {
	c, ok := pc.(*net.UDPConn)
	if !ok {
		return
	}
	buf := make([]byte, 2048)
	var oob [512]byte
	onSocket(c, func(fd int) {
		for {
			n, _, _, _, err := syscall.Recvmsg(fd, buf, oob[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			take(buf[:n])
		}
	})
}
