package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"callcontroller/api"
	"callcontroller/internal/journal"
)

const (
	// parallel is how many requests one endpoint has under way at once.
	parallel = 4
	// maxPause is the longest Retry-After that is followed: with it, too, all attempts
	// fit into the week for which the journal keeps events.
	maxPause = 6 * time.Hour
)

// worker is the name of an endpoint's worker in the journal.
func worker(name string) string { return "webhook-" + name }

// endpoint sends events to one web server.
type endpoint struct {
	Endpoint
	poster

	source      string
	backoff     []time.Duration
	fingerprint string // of what is configured
	state       *state
	log         *slog.Logger

	mu      sync.Mutex
	until   time.Time // the server wants nothing before
	failing bool      // the last attempt has failed
}

// run sends events until ctx is over, the journal closes, or the endpoint is disabled.
func (e *endpoint) run(ctx context.Context, j Journal) {
	defer e.transport.CloseIdleConnections()
	if at := e.disabled(); !at.IsZero() {
		e.log.Warn("webhook: disabled, since its server has answered 410 Gone; another configuration enables it", "since", at)
		if err := j.DeleteWorker(ctx, worker(e.Name)); err != nil {
			e.log.Warn("webhook: events are kept for an endpoint that is disabled", "error", err)
		}
		return
	}
	if err := e.state.enable(e.Name, e.fingerprint); err != nil {
		e.log.Warn("webhook: not noted", "error", err)
	}
	w := journal.Work{Name: worker(e.Name), Filter: journal.Filter{Events: e.Events}, Backoff: e.backoff, Parallel: parallel}
	if len(e.Events) == 0 {
		w.Filter.Events = api.EventTypes() // not all entries: some are for recovery only
	}
	err := j.Worker(ctx, w, e.handle)
	if err != nil && ctx.Err() == nil && !errors.Is(err, journal.ErrStop) && !errors.Is(err, journal.ErrClosed) {
		e.log.Error("webhook: no events are sent any more", "error", err)
	}
}

// handle sends one event. It is a handler of journal.Worker: an error asks for another
// attempt.
func (e *endpoint) handle(ctx context.Context, entry journal.Entry) error {
	if len(e.Agents) > 0 && !slices.Contains(e.Agents, entry.Agent) {
		return nil
	}
	if !e.disabled().IsZero() {
		return journal.ErrStop
	}
	m, err := eventMessage(e.source, &entry)
	if err != nil {
		e.log.Error("webhook: an event can never be sent", "call", entry.Call, "event", entry.Event, "error", err)
		return nil
	}
	if err := e.rest(ctx); err != nil {
		return err
	}
	a, err := e.post(ctx, m)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return e.judge(&entry, m.id, a, err)
}

// rest waits for as long as the server has asked for.
func (e *endpoint) rest(ctx context.Context) error {
	for {
		e.mu.Lock()
		wait := time.Until(e.until)
		e.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// judge draws the consequences of an attempt.
func (e *endpoint) judge(entry *journal.Entry, id string, a Answer, err error) error {
	switch {
	case err != nil:
	case a.Status >= 200 && a.Status <= 299:
		e.succeeded(entry, id)
		return nil
	case a.Status == http.StatusGone:
		return e.disable()
	case a.Status >= 300 && a.Status <= 399:
		err = fmt.Errorf("answered %d %s, which is not followed: configure the URL that it leads to", a.Status, http.StatusText(a.Status))
	default:
		err = fmt.Errorf("answered %d %s", a.Status, http.StatusText(a.Status))
		e.pause(a)
	}
	e.failed(entry, id, err)
	return err
}

// pause follows the Retry-After of a server that has too much to do, for all events.
func (e *endpoint) pause(a Answer) {
	if a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := time.Now().Add(min(a.RetryAfter, maxPause)); t.After(e.until) {
		e.until = t
	}
}

// disable stops the endpoint for good. The mark is written before the journal forgets
// the worker, so that a crash in between enables nothing.
func (e *endpoint) disable() error {
	if !e.disabled().IsZero() {
		return journal.ErrStop // by another request
	}
	e.log.Warn("webhook: disabled, since its server has answered 410 Gone; another configuration enables it")
	if err := e.state.disable(e.Name, e.fingerprint, time.Now()); err != nil {
		e.log.Error("webhook: a restart enables it again", "error", err)
	}
	return journal.ErrStop
}

func (e *endpoint) disabled() time.Time { return e.state.disabled(e.Name, e.fingerprint) }

// succeeded and failed log each change at a level that is seen, and the rest for who
// looks closely.
func (e *endpoint) succeeded(entry *journal.Entry, id string) {
	level := slog.LevelDebug
	if e.changed(false) {
		level = slog.LevelInfo
	}
	e.log.Log(context.Background(), level, "webhook: event taken", "call", entry.Call, "event", entry.Event, "id", id)
}

func (e *endpoint) failed(entry *journal.Entry, id string, err error) {
	level := slog.LevelDebug
	if e.changed(true) {
		level = slog.LevelWarn
	}
	e.log.Log(context.Background(), level, "webhook: event not taken, it is sent again later", "call", entry.Call, "event", entry.Event, "id", id, "error", err)
}

func (e *endpoint) changed(failing bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.failing != failing
	e.failing = failing
	return changed
}
