package httpapi_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"callcontroller/internal/httpapi"
)

// closedByPeer tells whether the other side closes the connection without a word.
func closedByPeer(conn net.Conn) bool {
	_, err := conn.Read(make([]byte, 1))
	var opErr *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &opErr) // a reset is an end, too
}

// TestZ18ConnectionsOfOneAddress: above the limit connections are closed at once, those
// below it are served, and one that ends makes room.
func TestZ18ConnectionsOfOneAddress(t *testing.T) {
	const most = 3
	_, plain, _ := start(t, httpapi.Config{MaxPerAddr: most})
	var held []net.Conn
	for range most {
		conn := dial(t, plain)
		if a := ask(t, conn); a.status != http.StatusOK {
			t.Fatalf("below the limit: %d", a.status)
		}
		held = append(held, conn)
	}
	if !closedByPeer(dial(t, plain)) {
		t.Error("one above the limit is served")
	}
	if a := ask(t, held[0]); a.status != http.StatusOK {
		t.Errorf("one below it gets %d after that", a.status)
	}
	_ = held[0].Close()
	for range 1000 { // until the server has seen the end of that one
		conn := dial(t, plain)
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
		if err == nil && !closedByPeer(conn) {
			return
		}
	}
	t.Error("a connection that ended makes no room")
}

// TestZ18ProxiesAreNotCounted: all clients of a reverse proxy share its address.
func TestZ18ProxiesAreNotCounted(t *testing.T) {
	_, plain, _ := start(t, httpapi.Config{MaxPerAddr: 1, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for range 5 {
		if a := ask(t, dial(t, plain)); a.status != http.StatusOK {
			t.Errorf("%d", a.status)
		}
	}
}

func ask(t *testing.T, conn net.Conn) answer {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return next(t, conn)
}
