package conformance

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"callcontroller/internal/call"
)

// TestX09PortUnreachable: nobody listens on the proxy's UDP port: row 503 at once, over
// real sockets, and the next call through the same socket is not harmed.
func TestX09PortUnreachable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a socket of ICMP errors with their datagram")
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	nobody := conn.LocalAddr().String()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, options{real: true, proxy: "sip:" + nobody, server: netip.MustParseAddrPort("127.0.0.1:0")})
	defer l.close()
	for range 3 {
		r := l.place()
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // Silence would take 32 s.
		err := r.Await(ctx, (*call.Call).Over)
		stop()
		if c := r.Snapshot(); err != nil || c.Outcome.Result != call.Unreachable {
			t.Fatalf("the call is %s %+v: %v", c.State, c.Outcome, err)
		}
		l.wantRows(r, "INVITE SIP/2.0 503 Service Unavailable")
	}
}
