package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory, for virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// TestZ18SlowClients: whoever sends slowly, reads slowly or does nothing is gone after
// the time that is meant for it.
func TestZ18SlowClients(t *testing.T) {
	const post = "POST /callcontroller/201/202 HTTP/1.1\r\nHost: h\r\n"
	for _, tt := range []struct {
		name, sends string
		answer      int // the status that comes before the end, 0 for none
		reads       bool
		after       time.Duration
	}{
		{"says nothing", "", 0, true, readHeaderTimeout},
		{"half a header", "GET /healthz HTTP/1.1\r\nHo", 400, true, readHeaderTimeout},
		{"half a body", post + "Content-Length: 10\r\n\r\n12345", 400, true, readTimeout},
		{"idle after a request", "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 200, true, idleTimeout},
		{"never reads", "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 0, false, writeTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Config{Legacy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { SkipBody(w, r) })})
				l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				s.serving.Go(func() { s.serve(l) })
				defer func() {
					if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
						t.Error(err)
					}
				}()
				client, server := net.Pipe()
				defer client.Close()
				begin := time.Now()
				l.conns <- server
				if _, err := io.Copy(client, strings.NewReader(tt.sends)); err != nil {
					t.Fatal(err)
				}
				if tt.reads {
					readToEnd(t, client, tt.answer)
				} else {
					time.Sleep(tt.after + time.Second)
					begin = begin.Add(time.Second)
				}
				// The end may come up to a second later: net/http waits for the client
				// to take what was said last.
				if took := time.Since(begin); took < tt.after || took > tt.after+time.Second {
					t.Errorf("the connection ended after %s, want %s", took, tt.after)
				}
				if _, err := io.Copy(client, strings.NewReader("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection still stands: %v", err)
				}
			})
		})
	}
}

func readToEnd(t *testing.T, client net.Conn, status int) {
	t.Helper()
	r := bufio.NewReader(client)
	if status != 0 {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != status {
			t.Errorf("the answer is %s, %v", resp.Status, err)
		}
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("at the end comes %q, %v", rest, err)
	}
}
