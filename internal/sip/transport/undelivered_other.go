//go:build !linux

package transport

import "net"

// Elsewhere a datagram that cannot be delivered is noticed by silence.
func wantErrors(*net.UDPConn)                  {}
func isICMP(error) bool                        { return false }
func takeErrors(PacketConn, func(data []byte)) {}
