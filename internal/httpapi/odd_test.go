package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"callcontroller/internal/httpapi"
)

const post = "POST /callcontroller/201/202 HTTP/1.1\r\nHost: h\r\n"

// TestR13Smuggling: a request whose end could be seen in two places is answered 400 and
// ends its connection; what stands behind it is never served.
func TestR13Smuggling(t *testing.T) {
	var served atomic.Int32
	_, plain, secure := start(t, httpapi.Config{Legacy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		httpapi.SkipBody(w, r)
	})})
	const next = "GET /callcontroller/666/666 HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range []struct {
		name, text string
	}{
		{"length and chunks", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunks and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
		{"two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"},
		{"the same length twice", post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
		{"two lengths in one field", post + "Content-Length: 1, 1\r\n\r\nx"},
		{"length with a sign", post + "Content-Length: +1\r\n\r\nx"},
		{"length far to the right", post + "Content-Length:" + strings.Repeat(" ", 80) + "1\r\n\r\nx"},
		{"bare LF", post[:len(post)-2] + "\nContent-Length: 0\r\n\r\n"},
		{"only LF", "POST /callcontroller/201/202 HTTP/1.1\nHost: h\nContent-Length: 0\n\n"},
		{"a line that goes on", post + "X: a\r\n b\r\n\r\n"},
		{"a line that goes on behind a tab", post + "Content-Length:\r\n\t0\r\n\r\n"},
		{"space before the colon", post + "Content-Length : 0\r\n\r\n"},
		{"unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"coding in HTTP/1.0", "POST /callcontroller/201/202 HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"bare CR", post + "X: a\rb\r\n\r\n"},
		{"NUL", post + "X: a\x00b\r\n\r\n"},
		{"two hosts", post + "Host: i\r\n\r\n"},
	} {
		served.Store(0)
		conn := dial(t, plain)
		go func() { _, _ = io.WriteString(conn, tt.text+next) }()
		all, _ := io.ReadAll(conn) // it may end with a reset
		if got := string(all); !strings.HasPrefix(got, "HTTP/1.") || strings.Count(got, "HTTP/1.1 ") != 1 || got[9] != '4' && got[:12] != "HTTP/1.1 501" || served.Load() != 0 {
			t.Errorf("%s: served %d times, and answered %q", tt.name, served.Load(), got)
		}
	}
	for _, base := range []string{plain, secure} {
		if a := get(t, base+"/healthz"); a.status != http.StatusOK {
			t.Errorf("%s: %d", base, a.status)
		}
	}
}

// TestR13NothingBehindChunks: a chunked body is taken, and ends the connection.
func TestR13NothingBehindChunks(t *testing.T) {
	var served atomic.Int32
	_, plain, _ := start(t, httpapi.Config{Legacy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		httpapi.SkipBody(w, r)
	})})
	conn := dial(t, plain)
	go func() {
		_, _ = io.WriteString(conn, post+"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"+post+"Content-Length: 0\r\n\r\n")
	}()
	all, _ := io.ReadAll(conn)
	if got := string(all); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.Contains(got, "Connection: close") || served.Load() != 1 {
		t.Errorf("served %d times, and answered %q", served.Load(), got)
	}
}

// TestZ24NothingIsUnpacked: a packed body counts as it is, and HTTP/2 is not spoken.
func TestZ24NothingIsUnpacked(t *testing.T) {
	var read int64
	_, plain, secure := start(t, httpapi.Config{Legacy: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		read, _ = io.Copy(io.Discard, r.Body)
	})})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, plain+"/callcontroller/201/202", bytes.NewReader(packed.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if read != int64(packed.Len()) {
		t.Errorf("%d bytes of %d were read", read, packed.Len())
	}
	if a := get(t, secure+"/healthz"); a.proto != "HTTP/1.1" { // the client would rather speak HTTP/2
		t.Errorf("%s is spoken", a.proto)
	}
	if a := exchange(t, plain, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); a.status < 400 || !a.close {
		t.Errorf("HTTP/2 is answered %d", a.status)
	}
}

// TestZ25NoDebugSurfaces: what only who runs the server may see is not on its public side.
func TestZ25NoDebugSurfaces(t *testing.T) {
	_, plain, secure := start(t, httpapi.Config{})
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/openapi.json", "/admin", "/.git/config", "/server-status", "/"} {
		for _, base := range []string{plain, secure} {
			if a := get(t, base+path); a.status != http.StatusNotFound || a.body != "not found\n" {
				t.Errorf("%s: %d %q", path, a.status, a.body)
			}
		}
	}
}
