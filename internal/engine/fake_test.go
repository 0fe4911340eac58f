package engine

import (
	"bytes"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/timing"
)

// fake is a Signaller whose lines note what they are told, in order, and do what
// on says.
type fake struct {
	on func(l *fakeLine, effect string) // may be nil

	mu    sync.Mutex
	lines map[call.ID]*fakeLine
}

type fakeLine struct {
	fake *fake
	id   call.ID
	post func(call.Event) bool

	inside atomic.Bool // an effect is being performed
	mu     sync.Mutex
	did    []string
}

func (f *fake) Open(r *Running) Line {
	id := r.ID()
	l := &fakeLine{fake: f, id: id, post: r.Post}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines[id] = l
	return l
}

func (l *fakeLine) do(effect string) {
	if l.inside.Swap(true) {
		panic("two effects at once")
	}
	defer l.inside.Store(false)
	l.mu.Lock()
	l.did = append(l.did, effect)
	l.mu.Unlock()
	if l.fake.on != nil {
		l.fake.on(l, effect)
	}
}

// effects are those that were performed so far.
func (l *fakeLine) effects() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.did)
}

func (l *fakeLine) Invite(call.Invite)                    { l.do("INVITE") }
func (l *fakeLine) Cancel(call.Cancel)                    { l.do("CANCEL") }
func (l *fakeLine) Ack(call.Ack)                          { l.do("ACK") }
func (l *fakeLine) Prack(call.Prack)                      { l.do("PRACK") }
func (l *fakeLine) Reinvite(call.Reinvite)                { l.do("re-INVITE") }
func (l *fakeLine) Refer(call.Refer)                      { l.do("REFER") }
func (l *fakeLine) Bye(call.Bye)                          { l.do("BYE") }
func (l *fakeLine) Forward(call.Forward)                  { l.do("forward") }
func (l *fakeLine) Ping(call.Ping)                        { l.do("ping") }
func (l *fakeLine) Release(call.Release)                  { l.do("release") }
func (l *fakeLine) Dialog(call.Leg) (call.DialogID, bool) { return call.DialogID{}, false }
func (l *fakeLine) Save(b []byte) []byte                  { return b }
func (l *fakeLine) Reach()                                { l.do("reach") }
func (l *fakeLine) Unanswered() [call.NumLegs]bool        { return [call.NumLegs]bool{} }
func (l *fakeLine) Respond(e call.Respond)                { l.do("respond " + strconv.Itoa(int(e.Request))) }

func (l *fakeLine) Restore(*call.Call, []byte, time.Duration) error { return nil }

// bench is an engine with a fake outside.
type bench struct {
	*Engine
	fake *fake
	log  *bytes.Buffer
}

func newBench(t *testing.T, on func(l *fakeLine, effect string)) *bench {
	t.Helper()
	b := &bench{fake: &fake{on: on, lines: make(map[call.ID]*fakeLine)}, log: new(bytes.Buffer)}
	wheel := timing.New()
	t.Cleanup(wheel.Close)
	b.Engine = New(b.fake, wheel, slog.New(slog.NewTextHandler(b.log, nil)))
	return b
}

// add makes a call that keeps all its rows.
func (b *bench) add(id call.ID) (*Running, *fakeLine) {
	r := b.Add(call.New(id, &call.Order{
		Caller: call.Party{URI: "sip:201@example.com"},
		Limits: &call.Limits{RingTimeout: time.Minute, NotifyTimeout: time.Minute, ReferLimit: time.Hour},
	}))
	return r, b.fake.lines[id]
}

func response(status int) call.Response {
	return call.Response{Status: status, Line: strconv.Itoa(status)}
}

// referred brings a call to where NOTIFYs are awaited.
func referred(t *testing.T, r *Running) {
	t.Helper()
	for _, e := range []call.Event{call.Start{}, call.Answered{Response: response(200)}, call.Referred{Response: response(202)}} {
		if !r.Post(e) {
			t.Fatalf("%T was not taken", e)
		}
	}
}

func notify(n int, body string) call.Event {
	return call.Notified{Request: call.Request(n), Event: "refer", State: "active", Body: body}
}
