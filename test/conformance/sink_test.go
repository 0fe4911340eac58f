package conformance

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"callcontroller/internal/media"
)

// TestF28SinkPort sends a minute of RTP into the real port that offers name: it is
// swallowed, nothing comes back, and the system sends no ICMP error either, which a
// connected sender would be told as ECONNREFUSED.
func TestF28SinkPort(t *testing.T) {
	sink, err := media.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(sink.Port())})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet := make([]byte, 12+160) // 20 ms of G.711.
	packet[0] = 0x80
	const minute = 60 * 50
	for i := range minute {
		packet[2], packet[3] = byte(i>>8), byte(i)
		if _, err := conn.Write(packet); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	if n, err := read(t, conn, packet); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the sink sent back %d bytes, %v", n, err)
	}
	// Without the sink the same sender is told so: the test would have seen it.
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Write(packet)
	if err == nil {
		_, err = read(t, conn, packet)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the closed port answers with %v, want ECONNREFUSED", err)
	}
}

// read gives what has come. On loopback an answer is there when Write returns.
func read(t *testing.T, c net.Conn, b []byte) (int, error) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	return c.Read(b)
}
