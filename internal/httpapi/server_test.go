package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"callcontroller/internal/httpapi"
	"callcontroller/internal/tlscert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server with one plain and one TLS listener, until the test is over.
func start(t *testing.T, c httpapi.Config) (s *httpapi.Server, plain, secure string) {
	t.Helper()
	cert, _, err := tlscert.Load("", "", t.TempDir(), []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	c.Cert = cert
	s = httpapi.New(c)
	for _, scheme := range []string{"http", "https"} {
		if err := s.Listen(t.Context(), scheme, "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	addrs := s.Addrs()
	return s, addrs[0], addrs[1]
}

// client takes any certificate and keeps no connections.
func client(change func(*tls.Config)) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the certificate was made a moment ago
	if change != nil {
		change(config)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// exchange sends raw bytes to the plain listener and reads one response.
func exchange(t *testing.T, base, text string) (*http.Response, error) {
	t.Helper()
	conn := dial(t, base)
	go func() { _, _ = io.WriteString(conn, text) }()
	return http.ReadResponse(bufio.NewReader(conn), nil)
}

func dial(t *testing.T, base string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", base[strings.Index(base, "//")+2:])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestServerListensWithAndWithoutTLS(t *testing.T) {
	s, plain, secure := start(t, httpapi.Config{})
	for _, base := range []string{plain, secure} {
		if resp, body := get(t, base+"/healthz"); resp.StatusCode != 200 || body != "ok\n" || resp.ProtoMajor != 1 {
			t.Errorf("%s: %s %s %q", base, resp.Proto, resp.Status, body)
		}
	}
	if !strings.HasPrefix(plain, "http://127.0.0.1:") || !strings.HasPrefix(secure, "https://127.0.0.1:") {
		t.Errorf("the server listens at %v", s.Addrs())
	}
	if err := s.Listen(t.Context(), "http", strings.TrimPrefix(plain, "http://")); err == nil {
		t.Error("a port can be taken twice")
	}
	if err := s.Listen(t.Context(), "gopher", "127.0.0.1:0"); err == nil {
		t.Error("any scheme is taken")
	}
}

// TestR12OldTLS: nothing below TLS 1.2, and no plain HTTP where TLS is spoken.
func TestR12OldTLS(t *testing.T) {
	_, _, secure := start(t, httpapi.Config{})
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c := client(func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		resp, err := c.Get(secure + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	resp, _ := get(t, "http"+strings.TrimPrefix(secure, "https")+"/healthz")
	if resp.StatusCode != 400 {
		t.Errorf("plain HTTP on the TLS port: %s", resp.Status)
	}
}

// TestR02LargeBody: 413, also when the length is not told beforehand.
func TestR02LargeBody(t *testing.T) {
	reached := make(chan bool, 8)
	_, plain, _ := start(t, httpapi.Config{Legacy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached <- httpapi.SkipBody(w, r)
	})})
	const head = "POST /callcontroller/201/202 HTTP/1.1\r\nHost: h\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("x", 32<<10))
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"1 GB announced", head + "Content-Length: 1073741824\r\n\r\n", 413},
		{"three chunks", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 3) + "0\r\n\r\n", 413},
		{"two chunks", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 2) + "0\r\n\r\n", 200},
		{"a chunk that is none", head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
	} {
		resp, err := exchange(t, plain, tt.request)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d", tt.name, resp.Status, tt.want)
		}
		if resp.StatusCode == 413 && !resp.Close {
			t.Errorf("%s: the connection is to be used again", tt.name)
		}
	}
	if a, b, c := <-reached, <-reached, <-reached; a || !b || c || len(reached) > 0 {
		t.Errorf("the bodies were taken: %v %v %v", a, b, c)
	}
}

func TestLimitsOfARequest(t *testing.T) {
	_, plain, _ := start(t, httpapi.Config{})
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n":                       431,
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n":                                                             404,
		"GET /callcontroller/201/%zz HTTP/1.1\r\nHost: h\r\n\r\n":                                           400,
		"GET / HTTP/1.1\r\n\r\n":                                                                            400,
		"GET /callcontroller/201/202 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": 400,
	} {
		resp, err := exchange(t, plain, request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%.60q: %s, want %d", request, resp.Status, want)
		}
	}
}

// A listener serves so many connections at once; more have to wait, not to fail.
func TestCapOnConnections(t *testing.T) {
	_, plain, _ := start(t, httpapi.Config{MaxConns: 1})
	const request = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	first := dial(t, plain)
	if _, err := io.WriteString(first, request); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil {
		t.Fatal(err)
	}
	second := dial(t, plain)
	if _, err := io.WriteString(second, request); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := http.ReadResponse(bufio.NewReader(second), nil)
		answered <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestStopWaitsForRequests(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := httpapi.New(httpapi.Config{Legacy: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		httpapi.Text(w, 200, "done")
	})})
	if err := s.Listen(t.Context(), "http", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var got string
	var wg sync.WaitGroup
	wg.Go(func() { _, got = get(t, s.Addrs()[0]+"/callcontroller/201/202") })
	<-entered
	stopped := make(chan error)
	go func() { stopped <- s.Stop(t.Context()) }()
	close(leave)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestStopGivesUp(t *testing.T) {
	entered := make(chan struct{})
	s := httpapi.New(httpapi.Config{Legacy: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})})
	if err := s.Listen(t.Context(), "http", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, s.Addrs()[0])
	if _, err := io.WriteString(conn, "GET /callcontroller/201/202 HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop gives %v", err)
	}
}

// TestPanicEndsOneRequest: the client gets 500 and nothing else, the log all; when the
// answer was begun already, the connection is cut.
func TestPanicEndsOneRequest(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	_, plain, _ := start(t, httpapi.Config{
		Log: slog.New(slog.NewJSONHandler(lockedWriter{&mu, &log}, nil)),
		Legacy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Secret", "1")
			if strings.HasSuffix(r.URL.Path, "late") {
				w.WriteHeader(200)
			}
			panic("the secret of the house")
		}),
	})
	resp, body := get(t, plain+"/callcontroller/201/202?confpin=4711")
	if resp.StatusCode != 500 || body != "internal error\n" || resp.Header.Get("X-Secret") != "" {
		t.Errorf("%s %v %q", resp.Status, resp.Header, body)
	}
	if resp, err := exchange(t, plain, "GET /callcontroller/201/late HTTP/1.1\r\nHost: h\r\n\r\n"); err == nil {
		if _, err = io.ReadAll(resp.Body); err == nil {
			t.Error("an answer that broke off looks whole")
		}
		resp.Body.Close()
	}
	if resp, _ := get(t, plain+"/healthz"); resp.StatusCode != 200 {
		t.Errorf("after a panic: %s", resp.Status)
	}
	mu.Lock()
	defer mu.Unlock()
	if text := log.String(); !strings.Contains(text, "the secret of the house") || !strings.Contains(text, "server_test.go") || strings.Contains(text, "4711") {
		t.Errorf("the log is %s", text)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
