package events_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/httpapi/events"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/journal"
	"callcontroller/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a server with a journal on the disk, over loopback.
type lab struct {
	dir    string
	config events.Config
	http   httpapi.Config

	journal *journal.Journal
	hub     *stream.Hub
	events  *events.Handler
	server  *httpapi.Server
	url     string
	client  *http.Client

	mu    sync.Mutex
	calls map[string]api.Call // that there are
	seq   map[string]uint64
}

func newLab(t *testing.T, change func(*lab)) *lab {
	t.Helper()
	l := &lab{dir: t.TempDir(), calls: map[string]api.Call{}, seq: map[string]uint64{}}
	if change != nil {
		change(l)
	}
	l.start(t)
	t.Cleanup(func() { l.stop(t) })
	return l
}

func (l *lab) start(t *testing.T) {
	t.Helper()
	var err error
	if l.journal, err = journal.Open(t.Context(), journal.Config{Dir: l.dir}); err != nil {
		t.Fatal(err)
	}
	l.hub = stream.New(stream.Config{Journal: l.journal})
	l.config.Hub = l.hub
	l.events = events.New(l.config)
	c := l.http
	c.V1, c.OnStop = l.v1(t), l.events.Stop
	l.server = httpapi.New(c)
	if err := l.server.Listen(t.Context(), "http", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.url = l.server.Addrs()[0]
	l.client = &http.Client{Transport: &http.Transport{}}
}

func (l *lab) v1(t *testing.T) http.Handler {
	t.Helper()
	h, err := v1.New(v1.Config{Control: noCalls{}, Auth: people{}, Keys: v1.NewMemoryKeys(1), Archive: l, Streams: l.events})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (l *lab) stop(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := l.server.Stop(ctx); err != nil {
		t.Error(err)
	}
	l.client.CloseIdleConnections()
	l.hub.Close()
	if err := l.journal.Close(ctx); err != nil {
		t.Error(err)
	}
}

// noCalls is a v1.Control: what there is, is in the archive.
type noCalls struct{ v1.Control }

func (noCalls) Call(context.Context, auth.Principal, call.ID) (*engine.Running, error) {
	return nil, &call.Error{Kind: call.Missing, Text: "there is no such call"}
}

// Find implements v1.Archive.
func (l *lab) Find(_ context.Context, id call.ID) (api.Call, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.calls[string(id)]
	return c, ok
}

// people are users by their names; that of admin may see all.
type people struct{}

func (people) Authenticate(r *http.Request) (auth.Principal, error) {
	name, _, ok := r.BasicAuth()
	if !ok {
		return auth.Principal{}, auth.ErrMissing
	}
	return auth.Principal{Name: name, Admin: name == "admin"}, nil
}

func (people) Challenge(*http.Request, error) []string { return []string{"Basic"} }

// add appends an event of a call of an agent, and waits until it is stored.
func (l *lab) add(t *testing.T, id, agent, kind string) {
	t.Helper()
	stored := make(chan error, 1)
	if err := l.journal.Append(l.entry(id, agent, kind), func(_ journal.Position, err error) { stored <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
}

// entry makes the next one of a call. Kind "" is one that nobody sees.
func (l *lab) entry(id, agent, kind string) journal.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq[id]++
	c, ok := l.calls[id]
	if !ok {
		c = api.Call{ID: id, Agent: agent, State: "queued", CreatedAt: now()}
	}
	if kind == api.CallEnded {
		at := now()
		c.State, c.EndedAt = "ended", &at
	}
	l.calls[id] = c
	data, _ := json.Marshal(map[string]any{"type": kind, "time": now(), "seq": l.seq[id], "call": c})
	return journal.Entry{Call: id, Agent: agent, Event: kind, Seq: l.seq[id], Final: kind == api.CallEnded, Data: data, State: []byte("secret")}
}

// frame is what a stream brings.
type frame struct {
	id, event, data string
	comment         bool
}

// follower reads a stream.
type follower struct {
	body io.ReadCloser
	in   *bufio.Reader
	last string // id
}

// reply is what a server says.
type reply struct {
	status int
	header http.Header
	body   io.ReadCloser
}

func (r *reply) text() string {
	b, _ := io.ReadAll(r.body)
	return string(b)
}

// get asks for a path as a user, with fields "Name: value".
func (l *lab) get(t *testing.T, user, path string, fields ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, "1")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	res, err := l.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return reply{res.StatusCode, res.Header, res.Body}
}

// follow opens a stream, and has read where it begins.
func (l *lab) follow(t *testing.T, user, path string, fields ...string) *follower {
	t.Helper()
	res := l.get(t, user, path, fields...)
	if res.status != http.StatusOK || res.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %d %s", path, res.status, res.text())
	}
	f := &follower{body: res.body, in: bufio.NewReader(res.body)}
	if first, err := f.next(); err != nil || first.id == "" || first.data != "" {
		t.Fatalf("it begins with %+v, %v", first, err)
	}
	return f
}

func (f *follower) close() { _ = f.body.Close() }

// next reads one frame.
func (f *follower) next() (frame, error) {
	var got frame
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			return got, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n":
			return got, nil
		case line[0] == ':':
			got.comment = true
		case name == "id":
			got.id, f.last = value, value
		case name == "event":
			got.event = value
		case name == "data":
			got.data = value
		default:
			return got, fmt.Errorf("line %q", line)
		}
	}
}

// event reads the next event, which is told as "call seq type".
func (f *follower) event(t *testing.T) string {
	t.Helper()
	for {
		got, err := f.next()
		if err != nil {
			t.Fatalf("the stream ends: %v", err)
		}
		if !got.comment {
			return tell(t, got)
		}
	}
}

func tell(t *testing.T, f frame) string {
	t.Helper()
	if f.event == "gap" {
		return "gap " + f.data
	}
	e := parse(t, f.data)
	if e.ID != f.id || e.Type != f.event || !strings.HasPrefix(f.data, `{"id":"`) {
		t.Errorf("the frame is %+v", f)
	}
	return fmt.Sprint(e.Call.ID, " ", e.Seq, " ", e.Type)
}

func parse(t *testing.T, data string) (e api.Event) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return e
}

// rest reads events to the end of the stream.
func (f *follower) rest(t *testing.T) (all []string) {
	t.Helper()
	for {
		got, err := f.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("the stream breaks: %v", err)
		}
		if !got.comment {
			all = append(all, tell(t, got))
		}
	}
}
