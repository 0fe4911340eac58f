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

// answer is a response that was read to its end.
type answer struct {
	status int
	proto  string
	header http.Header
	body   string
	broken error // what ended the body, nil when it was whole
	close  bool
}

func read(resp *http.Response) answer {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Proto, resp.Header, string(body), err, resp.Close}
}

func get(t *testing.T, url string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return read(resp)
}

// exchange sends raw bytes to the plain listener and reads one response.
func exchange(t *testing.T, base, text string) answer {
	t.Helper()
	conn := dial(t, base)
	go func() { _, _ = io.WriteString(conn, text) }()
	return next(t, conn)
}

// next reads the next response of a connection.
func next(t *testing.T, conn net.Conn) answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	return read(resp)
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
		if a := get(t, base+"/healthz"); a.status != http.StatusOK || a.body != "ok\n" || a.proto != "HTTP/1.1" {
			t.Errorf("%s: %+v", base, a)
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
	if a := get(t, "http"+strings.TrimPrefix(secure, "https")+"/healthz"); a.status != http.StatusBadRequest {
		t.Errorf("plain HTTP on the TLS port: %+v", a)
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
		a := exchange(t, plain, tt.request)
		if a.status != tt.want {
			t.Errorf("%s: %+v, want %d", tt.name, a, tt.want)
		}
		if a.status == http.StatusRequestEntityTooLarge && !a.close {
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
		if a := exchange(t, plain, request); a.status != want {
			t.Errorf("%.60q: %+v, want %d", request, a, want)
		}
	}
}

// A listener serves so many connections at once; more have to wait, not to fail.
func TestCapOnConnections(t *testing.T) {
	_, plain, _ := start(t, httpapi.Config{MaxConns: 1})
	const request = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	ask := func() net.Conn {
		conn := dial(t, plain)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first := ask()
	next(t, first)
	second := ask()
	answered := make(chan answer, 1)
	go func() { answered <- next(t, second) }()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; a.status != http.StatusOK {
		t.Errorf("the connection that had to wait got %+v", a)
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
	var got answer
	var wg sync.WaitGroup
	wg.Go(func() { got = get(t, s.Addrs()[0]+"/callcontroller/201/202") })
	<-entered
	stopped := make(chan error)
	go func() { stopped <- s.Stop(t.Context()) }()
	close(leave)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got.body != "done" {
		t.Errorf("the request under way got %+v", got)
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
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
			}
			panic("the secret of the house")
		}),
	})
	if a := get(t, plain+"/callcontroller/201/202?confpin=4711"); a.status != http.StatusInternalServerError || a.body != "internal error\n" || a.header.Get("X-Secret") != "" {
		t.Errorf("%+v", a)
	}
	if a := exchange(t, plain, "GET /callcontroller/201/late HTTP/1.1\r\nHost: h\r\n\r\n"); a.broken == nil {
		t.Errorf("an answer that broke off looks whole: %+v", a)
	}
	if a := get(t, plain+"/healthz"); a.status != http.StatusOK {
		t.Errorf("after a panic: %+v", a)
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

// A firewall may know IPv4 only: the wildcard of IPv4 must not open IPv6.
func TestListenIPv4Wildcard(t *testing.T) {
	s := httpapi.New(httpapi.Config{})
	if err := s.Listen(t.Context(), "http", "0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if addr := s.Addrs()[0]; !strings.HasPrefix(addr, "http://0.0.0.0:") {
		t.Errorf("0.0.0.0 listens on %s", addr)
	}
}
