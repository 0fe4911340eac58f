package transport

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"callcontroller/internal/sip"
)

// TestBehind: while messages wait because one takes long, that is seen; once.
func TestBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells when a datagram came")
	}
	const long = 50 * time.Millisecond
	seen := make(chan struct{}, 2)
	l := New(Config{Net: System{}}, func(*sip.Message, Source) {
		<-time.After(long)
		seen <- struct{}{}
	})
	defer l.Close()
	at, err := l.Listen(context.Background(), UDP, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if _, err := c.Write([]byte("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nContent-Length: 0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	<-seen
	<-seen
	if got := l.Behind(); got < long/2 || got > mostWait {
		t.Errorf("they have waited %v, want about %v", got, long)
	}
	if got := l.Behind(); got != 0 {
		t.Errorf("then %v", got)
	}
}
