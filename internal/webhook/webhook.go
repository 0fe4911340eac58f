// Package webhook owns telling web servers of events: each event of the journal is
// posted to every endpoint that wants it, as a CloudEvent, signed and repeated as the
// specification of Standard Webhooks has it, until it was taken or is given up. It also
// owns what must outlive the process besides what the journal keeps: which endpoints want
// no more events.
//
// It never reads a call, and nothing waits for it: an endpoint that is slow or down is
// behind with its own worker of the journal and holds nobody up. It follows no redirect,
// uses no proxy, and dials no address that the rules do not allow.
//
// Goroutines: Run has one for each endpoint, besides those of the journal's workers and
// of package net/http; all have ended when it returns.
package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"callcontroller/internal/journal"
	"callcontroller/internal/policy"
	"callcontroller/internal/webhook/signature"
)

// Journal is where the events come from, see package journal.
type Journal interface {
	Worker(ctx context.Context, w journal.Work, handle func(context.Context, journal.Entry) error) error
	DeleteWorker(ctx context.Context, name string) error
}

// Config says who is told of what.
type Config struct {
	Endpoints []Endpoint
	Rules     policy.Outward
	// Source names this server in every event, as a URI (CloudEvents attribute source).
	Source  string
	Version string // for User-Agent
	// State is the path of the file that remembers which endpoints are disabled.
	State string
	Log   *slog.Logger // default: nothing is logged

	Backoff  []time.Duration // waits between attempts; default Backoff()
	Resolver *net.Resolver   // default: the system's
	Roots    *x509.CertPool  // whose certificates are believed; default: the system's
}

// Endpoint is one web server that is told.
type Endpoint struct {
	Name    string             // letters, digits, "-" and "_"; its place in the journal hangs on it
	URL     string             // where to
	Secrets []signature.Secret // at least one; each signs
	Events  []string           // types of events; none for all
	Agents  []string           // names of users, whose calls are told; none for all
}

// Backoff is the schedule that the specification gives as its example ("Deliverability
// and reliability"): the first attempt at once, the last of ten after some 76 hours.
func Backoff() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Hooks are all endpoints. Use New.
type Hooks struct {
	log       *slog.Logger
	state     *state
	endpoints []*endpoint
}

// New makes the endpoints and reads which of them are disabled. The error names the
// endpoint and the rule that it breaks.
func New(c Config) (*Hooks, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Backoff == nil {
		c.Backoff = Backoff()
	}
	h := &Hooks{log: c.Log, state: readState(c.State, c.Log)}
	for i := range c.Endpoints {
		e, err := newEndpoint(&c, &c.Endpoints[i], h.state)
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", c.Endpoints[i].Name, err)
		}
		h.endpoints = append(h.endpoints, e)
	}
	return h, nil
}

func newEndpoint(c *Config, e *Endpoint, s *state) (*endpoint, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil, errors.New("its URL cannot be read")
	}
	if err := c.Rules.CheckURL(u); err != nil {
		return nil, fmt.Errorf("its URL %w", err)
	}
	if len(e.Secrets) == 0 {
		return nil, errors.New("it has no secret")
	}
	return &endpoint{
		Endpoint: *e, source: c.Source, backoff: c.Backoff, state: s, fingerprint: e.fingerprint(),
		log:    c.Log.With("webhook", e.Name, "host", u.Host),
		poster: poster{url: u, secrets: e.Secrets, agent: "callcontroller/" + c.Version, transport: newTransport(c)},
	}, nil
}

// Run sends events until ctx is over or the journal closes. An event under way is then
// left to the next run.
func (h *Hooks) Run(ctx context.Context, j Journal) {
	h.forget(ctx, j)
	var all sync.WaitGroup
	for _, e := range h.endpoints {
		all.Go(func() { e.run(ctx, j) })
	}
	all.Wait()
}

// forget deletes the workers of endpoints that are configured no longer.
func (h *Hooks) forget(ctx context.Context, j Journal) {
	names := map[string]bool{}
	for _, e := range h.endpoints {
		names[e.Name] = true
	}
	for _, name := range h.state.names() {
		if names[name] {
			continue
		}
		err := j.DeleteWorker(ctx, worker(name))
		if err == nil {
			err = h.state.drop(name)
		}
		if err != nil {
			h.log.Warn("webhook: a former endpoint is not forgotten: next start tries again", "webhook", name, "error", err)
		}
	}
}

// Disabled tells since when an endpoint gets nothing, since it has answered 410; the zero
// time when it does.
func (h *Hooks) Disabled(name string) time.Time {
	if e := h.find(name); e != nil {
		return e.disabled()
	}
	return time.Time{}
}

// TestType is the type of the event that Test sends.
const TestType = "callcontroller.webhook.test"

// Test sends one event to an endpoint, whether it is disabled or not, and gives what it
// answers. The error says why there is no answer.
func (h *Hooks) Test(ctx context.Context, name string) (Answer, error) {
	e := h.find(name)
	if e == nil {
		return Answer{}, fmt.Errorf("there is no webhook %q", name)
	}
	return e.post(ctx, testMessage(e.source))
}

func (h *Hooks) find(name string) *endpoint {
	for _, e := range h.endpoints {
		if e.Name == name {
			return e
		}
	}
	return nil
}
