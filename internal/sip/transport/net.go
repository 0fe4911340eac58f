package transport

import (
	"context"
	"net"
	"net/netip"
)

// Net is where sockets come from: System, or a simulated network in tests.
// Addresses are written "host:port"; port 0 lets the network pick.
type Net interface {
	ListenPacket(ctx context.Context, addr string) (PacketConn, error)
	Listen(ctx context.Context, addr string) (net.Listener, error)
	// Dial connects a stream to addr. local is the address to come from; it may
	// be invalid (any) and its port may be 0 (any).
	Dial(ctx context.Context, local, addr netip.AddrPort) (net.Conn, error)
	// LocalAddr is the address of this host that packets to that address would
	// carry as their source.
	LocalAddr(to netip.Addr) (netip.Addr, error)
}

// PacketConn is a UDP socket, as *net.UDPConn has it.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// readBuffer is asked for on UDP sockets, in bytes: room for a burst of some
// thousand messages while the read loop is busy.
const readBuffer = 4 << 20

// System is the network of this machine.
type System struct{}

// ListenPacket opens a UDP socket. A wildcard of IPv6 or no host at all takes
// IPv4 as well.
func (System) ListenPacket(ctx context.Context, addr string) (PacketConn, error) {
	pc, err := new(net.ListenConfig).ListenPacket(ctx, "udp"+family(addr), addr)
	if err != nil {
		return nil, err
	}
	c := pc.(*net.UDPConn)
	// Best effort: the system may allow less.
	_ = c.SetReadBuffer(readBuffer)
	_ = c.SetWriteBuffer(readBuffer)
	wantErrors(c)
	wantTimes(c)
	return c, nil
}

// Listen opens a TCP listener, with the same rule for wildcards.
func (System) Listen(ctx context.Context, addr string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp"+family(addr), addr)
}

// Dial connects by TCP.
func (System) Dial(ctx context.Context, local, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	return d.DialContext(ctx, "tcp", addr.String())
}

// LocalAddr asks the system for its route by connecting a UDP socket, which sends
// nothing.
func (System) LocalAddr(to netip.Addr) (netip.Addr, error) {
	// Any port does; 9 is discard.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = c.Close() }()
	return addrPort(c.LocalAddr()).Addr(), nil
}

// family is "4" for an IPv4 address, which Go's wildcard 0.0.0.0 would otherwise
// open for IPv6 too, "6" for one IPv6 address, else "".
func family(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return ""
	}
	switch a, err := netip.ParseAddr(host); {
	case err != nil:
		return ""
	case a.Unmap().Is4():
		return "4"
	case a.IsUnspecified():
		return ""
	default:
		return "6"
	}
}

// addrPort reads the address of a socket, never v4-mapped.
func addrPort(a net.Addr) netip.AddrPort {
	if has, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return unmap(has.AddrPort())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmap(ap)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
