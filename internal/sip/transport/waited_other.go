//go:build !linux

package transport

import (
	"net"
	"net/netip"
	"time"
)

func wantTimes(*net.UDPConn) {}

const timesRoom = 0

func receive(pc PacketConn, b, _ []byte) (n int, from netip.AddrPort, waited time.Duration, err error) {
	n, from, err = pc.ReadFromUDPAddrPort(b)
	return n, from, 0, err
}
