package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/secret"
)

const (
	userPIN    = "pin-4711"
	sipSecret  = "sip-geheim"
	conference = "confpin-0815"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a sandbox with quick phones: 201 and 202 answer at once.
func world(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	return worldOf(t, nil, "201", "202")
}

// worldOf is a sandbox with such phones, whose proxy tells of each message.
func worldOf(t *testing.T, trace func(sandbox.Traced), names ...string) *sandbox.Sandbox {
	t.Helper()
	o := sandbox.Options{Domain: "example.test", Listen: "127.0.0.1:0", Trace: trace}
	for _, name := range names {
		o.Users = append(o.Users, sandbox.User{Name: name, Password: secret.New("phone-" + name)})
		o.Phones = append(o.Phones, sandbox.PhoneOptions{User: name, Behaviour: sandbox.Answers, After: time.Millisecond})
	}
	o.Users = append(o.Users, sandbox.User{Name: "controller", Password: secret.New(sipSecret), Trusted: true})
	w, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// settings is a configuration for the sandbox, on ports that the system picks.
func settings(t *testing.T, w *sandbox.Sandbox) *config.Config {
	t.Helper()
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm, c.SIP.Proxy = "example.test", "example.test", w.URI()
	c.SIP.Listen = []config.Listen{{Scheme: "udp", Host: "127.0.0.1"}, {Scheme: "tcp", Host: "127.0.0.1"}}
	c.SIP.Account = config.Account{Username: "controller", Password: secret.New(sipSecret)}
	c.HTTP.Listen = []config.Listen{{Scheme: "https", Host: "127.0.0.1"}, {Scheme: "http", Host: "127.0.0.1"}}
	c.Users.Inline = []directory.User{
		{Name: "201", Aliases: []string{"alice"}, Identity: "201@example.test", PIN: secret.New(userPIN)},
		{Name: "202", Identity: "202@example.test", PIN: secret.New(userPIN)},
	}
	c.Drain.Limit = 10 * time.Millisecond
	c.Data = t.TempDir()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return &c
}

func start(t *testing.T, c *config.Config, log io.Writer) *app.App {
	t.Helper()
	a, err := app.Start(t.Context(), c, app.Options{Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func stop(t *testing.T, a *app.App) {
	t.Helper()
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// ask sends a request as 201 over HTTPS and gives status and body.
func ask(t *testing.T, a *app.App, method, path string) (status int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, a.HTTP()[0]+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("201", userPIN)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// await asks until the document has text.
func await(t *testing.T, a *app.App, path, text string) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if _, body := ask(t, a, http.MethodGet, path); strings.Contains(body, text) {
			return body
		}
		<-tick.C
	}
	_, body := ask(t, a, http.MethodGet, path)
	t.Fatalf("%s never shows %q:\n%s", path, text, body)
	return ""
}

// syncBuffer is a log that may be written and read at once.
type syncBuffer struct {
	ch  chan struct{}
	buf bytes.Buffer
}

func newLog() *syncBuffer { return &syncBuffer{ch: make(chan struct{}, 1)} }

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.ch <- struct{}{}
	defer func() { <-b.ch }()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.ch <- struct{}{}
	defer func() { <-b.ch }()
	return b.buf.String()
}

// TestZ20WholeCallAndNoSecretInTheLog: a call from HTTP to the end, through a real
// proxy, with the log at debug.
func TestZ20WholeCallAndNoSecretInTheLog(t *testing.T) {
	log := newLog()
	a := start(t, settings(t, world(t)), log)
	defer stop(t, a)
	if status, body := ask(t, a, http.MethodPost, "/callcontroller/201/202?confpin="+conference); status != http.StatusOK || body != "" {
		t.Fatalf("POST answers %d %q", status, body)
	}
	document := await(t, a, "/callcontroller/201/202", "<method>NOTIFY</method>\n\t<status-line>SIP/2.0 200 OK")
	if !strings.HasPrefix(document, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<status-lines ") {
		t.Errorf("the document begins otherwise:\n%s", document)
	}
	for _, s := range []string{userPIN, sipSecret, conference, "response=", "nonce="} {
		if strings.Contains(log.String(), s) {
			t.Errorf("the log has %q", s)
		}
	}
	if status, _ := ask(t, a, http.MethodGet, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d", status)
	}
}

// TestR03FirstRow: with compat.first_row a row stands before POST returns, so that a
// client which asks at once does not find an empty list and stop asking.
func TestR03FirstRow(t *testing.T) {
	c := settings(t, world(t))
	c.Compat.FirstRow = true
	a := start(t, c, newLog())
	defer stop(t, a)
	if status, _ := ask(t, a, http.MethodPost, "/callcontroller/201/202"); status != http.StatusOK {
		t.Fatalf("POST answers %d", status)
	}
	_, document := ask(t, a, http.MethodGet, "/callcontroller/201/202")
	_, first, _ := strings.Cut(document, "<status-line>")
	if !strings.HasPrefix(first, "SIP/2.0 100 Trying</status-line>") {
		t.Errorf("the first row is another:\n%s", document)
	}
	await(t, a, "/callcontroller/201/202", "<method>NOTIFY</method>\n\t<status-line>SIP/2.0 200 OK")
}

// TestFailedStartUnwinds: what was started before the fault is stopped, so that the
// next start finds its ports free.
func TestFailedStartUnwinds(t *testing.T) {
	c := settings(t, world(t))
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := netip.MustParseAddrPort(taken.Addr().String()).Port()
	c.HTTP.Listen[1].Port = int(port)
	_, err = app.Start(t.Context(), c, app.Options{})
	if err == nil || !strings.Contains(err.Error(), "http.listen http://127.0.0.1:") {
		t.Fatalf("Start says %v, want the listener that is in use", err)
	}
}

// TestReload: users change without a restart; a mistake leaves the old ones.
func TestReload(t *testing.T) {
	c := settings(t, world(t))
	next := *c
	a, err := app.Start(t.Context(), c, app.Options{Reread: func() (*config.Config, error) { return &next, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a)
	if status, _ := ask(t, a, http.MethodGet, "/callcontroller/201/202"); status != http.StatusOK {
		t.Fatalf("201 gets %d before the change", status)
	}
	next.Users.Inline = []directory.User{{Name: "202", Identity: "202@example.test", PIN: secret.New(userPIN)}, {Name: "202"}}
	if err := a.Reload(); err == nil {
		t.Error("two users of one name are taken")
	}
	if status, _ := ask(t, a, http.MethodGet, "/callcontroller/201/202"); status != http.StatusOK {
		t.Errorf("201 gets %d after a reload that failed", status)
	}
	next.Users.Inline = next.Users.Inline[:1]
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, a, http.MethodGet, "/callcontroller/201/202"); status != http.StatusUnauthorized {
		t.Errorf("201 gets %d after he was taken out", status)
	}
}
