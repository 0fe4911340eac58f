package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"callcontroller/api"
)

// sameSeed lets readers compare what they have read.
var sameSeed = maphash.MakeSeed()

// slowAfter is how many events a slow reader takes before it stops.
const slowAfter = 20

// note is what a reader keeps of an event.
type note struct {
	id   uint64
	sum  uint64 // of all of its JSON
	kind string
}

// reader follows events, and comes back when the connection is lost.
type reader struct {
	name     string
	world    *eventWorld
	client   string // its address
	types    []string
	socket   bool // over a WebSocket
	slow     bool // it stops once until the server has dropped it
	restless bool // it leaves all the time
	wantEnds int  // calls of which the end is waited for; 0: it does not know

	begun chan struct{} // closed when nothing that happens from now on can be missed
	all   chan struct{} // closed when wantEnds calls have ended

	http        *http.Client
	leave       context.CancelFunc // ends the reading for good
	connections int
	broken      bool // the server has dropped it

	mu     sync.Mutex
	target uint64 // id of the last event that there will be; 0: not known
	last   uint64 // id of the last event
	notes  []note
	seq    map[string]uint64 // of the last event of each call
	ended  map[string]bool
	faults []string
}

func (w *eventWorld) reader(n int, what string, change func(*reader)) *reader {
	r := &reader{
		name: fmt.Sprintf("reader %d (%s)", n, what), world: w, client: fmt.Sprintf("10.1.0.%d", n+1),
		begun: make(chan struct{}), all: make(chan struct{}), seq: map[string]uint64{}, ended: map[string]bool{},
	}
	if change != nil {
		change(r)
	}
	transport := &http.Transport{}
	if r.slow {
		transport.DialContext = narrow
		w.ends.of(r.client)
	}
	r.http = &http.Client{Transport: transport}
	return r
}

// run reads until everything has come that there will be, or ctx is over.
func (r *reader) run(ctx context.Context) {
	defer r.http.CloseIdleConnections()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	r.mu.Lock()
	r.leave = leave
	r.mu.Unlock()
	for ctx.Err() == nil && !r.done() {
		r.connections++
		err := r.connect(ctx)
		if err != nil && !errors.Is(err, errLeft) && ctx.Err() == nil && !r.slow {
			r.faultf("connection %d is lost: %v", r.connections, err)
		}
	}
}

// errLeft is that the reader itself has left.
var errLeft = errors.New("left")

// connect reads one connection to its end. The oldest event that is kept is older than
// the first call.
func (r *reader) connect(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	query := url.Values{"after": {strconv.FormatUint(r.last, 10)}, "type": r.types}
	header := http.Header{"X-Forwarded-For": {r.client}}
	next, err := r.open(ctx, "/v1/events?"+query.Encode(), header)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		data, err := next()
		if err != nil {
			return err
		}
		r.take(data)
		if r.restless && n > r.connections*37%300 {
			return errLeft
		}
		if r.slow && !r.broken && n == slowAfter {
			if r.broken = r.stop(ctx); !r.broken {
				return ctx.Err()
			}
		}
	}
}

// stop reads nothing until the server has ended the stream.
func (r *reader) stop(ctx context.Context) bool {
	select {
	case <-r.world.ends.of(r.client):
		return true
	case <-ctx.Done():
		return false
	}
}

// open begins a connection, and gives what reads the next event from it.
func (r *reader) open(ctx context.Context, path string, header http.Header) (func() ([]byte, error), error) {
	if r.socket {
		return r.openSocket(ctx, path, header)
	}
	return r.openFrames(ctx, path, header)
}

func (r *reader) openSocket(ctx context.Context, path string, header http.Header) (func() ([]byte, error), error) {
	conn, _, err := websocket.Dial(ctx, r.world.url+path, &websocket.DialOptions{HTTPClient: r.http, HTTPHeader: header}) //nolint:bodyclose // by the connection
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.CloseNow() })
	r.begin()
	return func() ([]byte, error) {
		_, data, err := conn.Read(ctx)
		return data, err
	}, nil
}

// openFrames takes up where it was by the field, as a browser does.
func (r *reader) openFrames(ctx context.Context, path string, header http.Header) (func() ([]byte, error), error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.world.url+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header = header
	if r.last > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(r.last, 10))
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	r.begin()
	in := bufio.NewReaderSize(resp.Body, 8<<10)
	return func() ([]byte, error) { return nextFrame(in) }, nil
}

// nextFrame gives the data of the next event. The line of data is the last of a frame.
func nextFrame(in *bufio.Reader) ([]byte, error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			return bytes.TrimSuffix(data, []byte("\n")), nil
		}
	}
}

func (r *reader) begin() {
	if r.connections == 1 {
		close(r.begun)
	}
}

// take notes an event, and what is wrong with it.
func (r *reader) take(data []byte) {
	e, ok := glance(data)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !ok:
		r.faultedf("it got %s", data)
		return
	case e.id <= r.last:
		r.faultedf("%d comes behind %d", e.id, r.last)
	case r.ended[e.call]:
		r.faultedf("%s %d comes behind the end of its call", e.call, e.seq)
	case len(r.types) == 0 && e.seq != r.seq[e.call]+1, e.seq <= r.seq[e.call]:
		r.faultedf("%s %d comes behind %d", e.call, e.seq, r.seq[e.call])
	case r.wantEnds > 0 && !e.agrees(data):
		r.faultedf("%+v is not what %s says", e, data)
	}
	r.last, r.seq[e.call] = e.id, e.seq
	r.notes = append(r.notes, note{e.id, maphash.Bytes(sameSeed, data), e.kind})
	if e.kind == api.CallEnded {
		if r.ended[e.call] = true; len(r.ended) == r.wantEnds {
			close(r.all)
		}
	}
	if r.last == r.target {
		r.leave()
	}
}

// until tells what the last event will be.
func (r *reader) until(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.target = id; r.last >= id && r.leave != nil {
		r.leave()
	}
}

func (r *reader) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.target > 0 && r.last >= r.target
}

func (r *reader) faultf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faultedf(format, args...)
}

// faultedf keeps a few of what is wrong; r.mu is held.
func (r *reader) faultedf(format string, args ...any) {
	if len(r.faults) < 5 {
		r.faults = append(r.faults, fmt.Sprintf(format, args...))
	}
}

// wantAll checks what was read against what the first reader has read.
func (r *reader) wantAll(t *testing.T, first *reader) {
	t.Helper()
	for _, f := range r.faults {
		t.Errorf("%s: %s", r.name, f)
	}
	want := slices.DeleteFunc(slices.Clone(first.notes), func(n note) bool { return len(r.types) > 0 && !slices.Contains(r.types, n.kind) })
	if !slices.Equal(r.notes, want) {
		t.Errorf("%s has %d events up to %d, want %d up to %d", r.name, len(r.notes), r.last, len(want), first.lastOf(r.types))
	}
	switch {
	case len(r.types) == 0 && len(r.ended) != eventCalls:
		t.Errorf("%s has the end of %d calls, want %d", r.name, len(r.ended), eventCalls)
	case r.slow && (!r.broken || r.connections < 2):
		t.Errorf("%s was not dropped", r.name)
	case r.restless && r.connections < 5:
		t.Errorf("%s has come %d times", r.name, r.connections)
	}
}

// event is what counts of one.
type event struct {
	id, seq    uint64
	kind, call string
}

// glance reads an event for a fraction of what it takes to read all of its JSON.
func glance(data []byte) (e event, ok bool) {
	id, rest, ok1 := quoted(data, `{"id":"`)
	kind, rest, ok2 := quoted(rest, `"type":"`)
	_, rest, ok3 := bytes.Cut(rest, []byte(`"seq":`))
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	call, _, ok4 := quoted(rest[digits:], `"call":{"id":"`)
	e.kind, e.call = string(kind), string(call)
	var err1, err2 error
	e.id, err1 = strconv.ParseUint(string(id), 10, 64)
	e.seq, err2 = strconv.ParseUint(string(rest[:digits]), 10, 64)
	return e, ok1 && ok2 && ok3 && ok4 && err1 == nil && err2 == nil
}

// quoted gives what stands between a text and the next quote, and what comes behind.
func quoted(data []byte, before string) (value, rest []byte, ok bool) {
	_, rest, _ = bytes.Cut(data, []byte(before))
	return bytes.Cut(rest, []byte(`"`))
}

// agrees tells whether the JSON says the same.
func (e *event) agrees(data []byte) bool {
	var whole api.Event
	err := json.Unmarshal(data, &whole)
	return err == nil && *e == event{e.id, whole.Seq, whole.Type, whole.Call.ID} && whole.ID == strconv.FormatUint(e.id, 10)
}
