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
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // The one or the other is refused, by the family.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
	})
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
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 2048)
	var oob [512]byte
	_ = raw.Control(func(fd uintptr) {
		for {
			n, _, _, _, err := syscall.Recvmsg(int(fd), buf, oob[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			take(buf[:n])
		}
	})
}
