package webhook_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callcontroller/api"
	"callcontroller/internal/journal"
	"callcontroller/internal/policy"
	"callcontroller/internal/secret"
	"callcontroller/internal/webhook"
	"callcontroller/internal/webhook/signature"
)

func TestMain(m *testing.M) {
	// What the NATS server and its client leave behind for a moment is none of ours.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*Server).startGoRoutine.func1"))
}

// attempt is one request that a receiver got.
type attempt struct {
	header http.Header
	body   []byte
}

func (a attempt) id() string { return a.header.Get("webhook-id") }

// receiver is a web server on loopback. Each attempt is handed over on got, those of
// prime on primed, before answer is asked what to answer.
type receiver struct {
	*httptest.Server

	got, primed chan attempt
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{got: make(chan attempt, 1000), primed: make(chan attempt, 1000)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		a := attempt{q.Header, body}
		if strings.HasPrefix(a.id(), "prime") {
			r.primed <- a
		} else {
			r.got <- a
		}
		if answer != nil {
			answer(w, q)
		}
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

// next waits for an attempt.
func (r *receiver) next(t *testing.T) attempt {
	t.Helper()
	select {
	case a := <-r.got:
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came in 30 s")
		return attempt{}
	}
}

func roots(list ...*receiver) *x509.CertPool {
	p := x509.NewCertPool()
	for _, r := range list {
		p.AddCert(r.Certificate())
	}
	return p
}

// A word that is in every secret, and what becomes of it in base64.
const (
	word        = "geheim"
	encodedWord = "Z2VoZWlt"
)

func newSecret(t *testing.T, last string) signature.Secret {
	t.Helper()
	text := signature.Prefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(word, 4)+last))
	s, err := signature.Parse(secret.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// output is a log that can be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lab is a journal, and what is configured.
type lab struct {
	journal *journal.Journal
	dir     string
	config  webhook.Config
	log     *output
	ended   chan struct{} // closed when the last run has ended
	primed  int           // events that prime has sent
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// newLab has an endpoint for each receiver, by the names a, b, c.
func newLab(t *testing.T, receivers ...*receiver) *lab {
	t.Helper()
	l := &lab{dir: t.TempDir(), log: &output{}}
	l.config = webhook.Config{
		Rules: policy.Outward{Networks: loopback}, Source: "sip:example.com", Version: "1.2.3", Roots: roots(receivers...),
		State: filepath.Join(l.dir, "webhooks.json"), Backoff: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond},
		Log: slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for i, r := range receivers {
		l.config.Endpoints = append(l.config.Endpoints, webhook.Endpoint{
			Name: string(rune('a' + i)), URL: r.URL + "/hooks/path-token?query-token", Secrets: []signature.Secret{newSecret(t, "")},
		})
	}
	l.open(t)
	return l
}

func (l *lab) open(t *testing.T) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(l.dir, "journal"), Log: l.config.Log})
	if err != nil {
		t.Fatal(err)
	}
	l.journal = j
	t.Cleanup(func() { l.close(t) })
}

func (l *lab) close(t *testing.T) {
	t.Helper()
	if l.journal == nil {
		return
	}
	if err := l.journal.Close(context.Background()); err != nil {
		t.Error(err)
	}
	l.journal = nil
}

func (l *lab) hooks(t *testing.T) *webhook.Hooks {
	t.Helper()
	h, err := webhook.New(l.config)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// run runs the hooks until stop is called, or the test ends.
func (l *lab) run(t *testing.T) (stop func()) {
	t.Helper()
	h := l.hooks(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	l.ended = ended
	go func() {
		defer close(ended)
		h.Run(ctx, l.journal)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// append puts an event into the journal and waits until it is there.
func (l *lab) append(t *testing.T, call string, seq uint64, event, agent string) {
	t.Helper()
	stored := make(chan error, 1)
	data := fmt.Sprintf(`{"type":%q,"time":"2026-11-28T10:00:00Z","seq":%d,"call":{"id":%q}}`, event, seq, call)
	e := journal.Entry{
		Call: call, Seq: seq, Event: event, Agent: agent, Data: []byte(data), State: []byte("state"),
		Time: time.Date(2026, 11, 28, 11, 0, 0, 0, time.FixedZone("", 3600)), Final: event == api.CallEnded,
	}
	if err := l.journal.Append(e, func(_ journal.Position, err error) { stored <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
}

// prime waits until the workers of all receivers have begun, which is when they get what
// comes: it sends events until each has got one of them.
func (l *lab) prime(t *testing.T, receivers ...*receiver) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	sent := map[string]bool{}
	for _, r := range receivers {
		for id := ""; !sent[id]; {
			l.primed++
			call := fmt.Sprintf("prime%d", l.primed)
			sent[call+"-1"] = true
			l.append(t, call, 1, api.CallRefused, "prime")
			select {
			case a := <-r.primed:
				id = a.id()
			case <-tick.C:
			}
		}
	}
}
