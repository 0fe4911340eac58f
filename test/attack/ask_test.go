package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// reply is what a request got.
type reply struct {
	status int
	header http.Header
	body   string
}

// request is one over HTTP, with the target and the fields as they are written.
type request struct {
	plain  bool // over plain HTTP
	method string
	target string
	as     string   // "name:PIN" for Basic; "" for none
	fields []string // whole header lines
	body   string
}

// send sends it on a connection of its own.
func (w *world) send(r request) reply {
	w.Helper()
	host := "pbx.example.test"
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, r.target)
	for _, f := range r.fields {
		if strings.HasPrefix(f, "Host:") {
			host = ""
		}
		b.WriteString(f + "\r\n")
	}
	if host != "" {
		b.WriteString("Host: " + host + "\r\n")
	}
	if r.as != "" {
		b.WriteString("Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(r.as)) + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(r.body), r.body)
	return w.exchange(r.plain, r.method, b.String())
}

// exchange sends bytes and reads one response.
func (w *world) exchange(plain bool, method, text string) reply {
	w.Helper()
	conn := w.dial(plain)
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		w.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		w.Fatalf("%.200q: %v", text, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (w *world) dial(plain bool) net.Conn {
	w.Helper()
	var conn net.Conn
	var err error
	if plain {
		conn, err = net.DialTimeout("tcp", w.http, patience)
	} else {
		d := &net.Dialer{Timeout: patience}
		conn, err = tls.DialWithDialer(d, "tcp", w.https, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the certificate is the server's own
	}
	if err != nil {
		w.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// refused sends a POST over HTTPS and wants one of the statuses.
func (w *world) refused(as, target string, fields []string, statuses ...int) reply {
	w.Helper()
	return w.want(request{method: http.MethodPost, target: target, as: as, fields: fields}, statuses...)
}

func (w *world) want(r request, statuses ...int) reply {
	w.Helper()
	got := w.send(r)
	for _, status := range statuses {
		if got.status == status {
			if status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
				w.Errorf("%s %s: 401 without a challenge", r.method, r.target)
			}
			w.Logf("%d  %s %s %s", got.status, r.method, clip(r.target), strings.Join(r.fields, "; "))
			return got
		}
	}
	w.Errorf("%s %s as %q with %q: %d %q, want %v", r.method, r.target, r.as, r.fields, got.status, got.body, statuses)
	return got
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

func mustUDP(address string) *net.UDPAddr {
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		panic(err)
	}
	return a
}
