package recorder

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/journal"
	"callcontroller/internal/timing"
)

// paper is a Journal that keeps entries, and tells that they are stored when it is told to.
type paper struct {
	health  error
	refuses func(*journal.Entry) error // may be nil

	mu      sync.Mutex
	entries []journal.Entry
	waiting []func(journal.Position, error)
	secured []func()
	atOnce  bool
}

func (p *paper) Append(e journal.Entry, done func(journal.Position, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses != nil {
		if err := p.refuses(&e); err != nil {
			return err
		}
	}
	e.State, e.Data = slices.Clone(e.State), slices.Clone(e.Data)
	p.entries = append(p.entries, e)
	if done != nil {
		p.waiting = append(p.waiting, done)
	}
	return nil
}

func (p *paper) Secure(safe func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if safe != nil {
		p.secured = append(p.secured, safe)
	}
}

func (p *paper) SecureNow() bool { return p.atOnce }

func (p *paper) Health() error { return p.health }

// stored tells that all that was appended is stored.
func (p *paper) stored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, done := range p.waiting {
		done(journal.Position(len(p.entries)), nil)
	}
	for _, safe := range p.secured {
		safe()
	}
	p.waiting, p.secured = nil, nil
}

func (p *paper) Live(context.Context) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		last := map[string]journal.Entry{}
		for _, e := range p.entries {
			last[e.Call] = e
		}
		for _, e := range last {
			if !e.Final && !yield(e, nil) {
				return
			}
		}
		yield(journal.Entry{}, errors.New("one record cannot be read"))
	}
}

// shelf is an Archive.
type shelf struct {
	added  []call.ID
	stored []call.ID
}

func (s *shelf) Add(c *call.Call)                      { s.added = append(s.added, c.ID) }
func (s *shelf) Stored(id call.ID, _ journal.Position) { s.stored = append(s.stored, id) }

// wire is a Signaller whose lines note what they are told.
type wire struct {
	mu  sync.Mutex
	did []string
}

type line struct{ *wire }

func (w *wire) Open(*engine.Running) engine.Line { return line{w} }

func (w *wire) do(effect string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did = append(w.did, effect)
}

func (w *wire) effects() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.did)
}

func (l line) Invite(call.Invite)                    { l.do("INVITE") }
func (l line) Cancel(call.Cancel)                    { l.do("CANCEL") }
func (l line) Ack(call.Ack)                          { l.do("ACK") }
func (l line) Prack(call.Prack)                      { l.do("PRACK") }
func (l line) Reinvite(call.Reinvite)                { l.do("re-INVITE") }
func (l line) Refer(call.Refer)                      { l.do("REFER") }
func (l line) Bye(call.Bye)                          { l.do("BYE") }
func (l line) Respond(call.Respond)                  { l.do("respond") }
func (l line) Forward(call.Forward)                  { l.do("forward") }
func (l line) Ping(call.Ping)                        { l.do("ping") }
func (l line) Release(call.Release)                  { l.do("release") }
func (l line) Dialog(call.Leg) (call.DialogID, bool) { return call.DialogID{SIPCallID: "id"}, true }
func (l line) Save(b []byte) []byte                  { return append(b, "legs"...) }
func (l line) Reach()                                { l.do("reach") }
func (l line) Unanswered() [call.NumLegs]bool        { return [call.NumLegs]bool{} }
func (l line) Restore(_ *call.Call, b []byte, _ time.Duration) error {
	if string(b) != "legs" {
		return errors.New("these are not the legs")
	}
	return nil
}

// world is a Recorder between an engine and what is around it.
type world struct {
	*Recorder
	engine *engine.Engine
	paper  *paper
	shelf  *shelf
	wire   *wire
	log    *bytes.Buffer
}

func newWorld(t *testing.T, p *paper) *world {
	t.Helper()
	w := &world{paper: p, shelf: &shelf{}, wire: &wire{}, log: &bytes.Buffer{}}
	wheel := timing.New()
	t.Cleanup(wheel.Close)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.Recorder = New(p, w.shelf, wheel, log)
	w.engine = engine.New(w.wire, wheel, log)
	w.engine.Record(w.Recorder)
	return w
}

// begin starts a call.
func (w *world) begin(id call.ID) *engine.Running {
	r := w.engine.Add(call.New(id, &call.Order{
		Agent: call.Party{URI: "sip:agent@example.com", User: "agent"}, Caller: call.Party{URI: "sip:201@example.com"}, Callee: call.Party{URI: "sip:202@example.com"},
		Limits: &call.Limits{RingTimeout: time.Minute, NotifyTimeout: time.Minute, ReferLimit: time.Hour},
	}))
	r.Post(call.Start{})
	return r
}

func response(status int) call.Response { return call.Response{Status: status} }
