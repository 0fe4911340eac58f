package controltest

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// Signaller implements engine.Signaller. It records what every line is told to do,
// in one list, and confirms a CANCEL or BYE at once.
type Signaller struct {
	Forget bool              // keep the last line only, and not what is done: for benchmarks
	Hook   func(call.Effect) // is told what is done before it is; the call waits for it; nil for none

	mu    sync.Mutex
	lines []*Line
	did   []Done
}

// Done is one effect on one line.
type Done struct {
	*Line
	Effect call.Effect
}

// Open implements engine.Signaller.
func (s *Signaller) Open(r *engine.Running) engine.Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Forget {
		s.lines = s.lines[:0]
	}
	l := &Line{ID: r.ID(), Order: r.Order(), all: s, post: r.Post, callID: "sip-" + strconv.Itoa(len(s.lines)+1) + "@lab"}
	s.lines = append(s.lines, l)
	return l
}

// Lines are all lines, in the order in which they were opened.
func (s *Signaller) Lines() []*Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// Last is the line that was opened last, nil when there is none.
func (s *Signaller) Last() *Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		return nil
	}
	return s.lines[len(s.lines)-1]
}

// Done is everything that was done, in order.
func (s *Signaller) Done() []Done {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.did)
}

// Line is the signalling of one call. It implements engine.Line; its other methods
// play the phone of the calling party.
type Line struct {
	ID    call.ID
	Order *call.Order

	all    *Signaller
	post   func(call.Event) bool
	callID string

	answered [call.NumLegs]bool // guarded by all.mu
}

func (l *Line) note(e call.Effect) {
	if l.all.Hook != nil {
		l.all.Hook(e)
	}
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if !l.all.Forget {
		l.all.did = append(l.all.did, Done{l, e})
	}
}

// Save implements engine.Line.
func (l *Line) Save(b []byte) []byte { return b }

// Restore implements engine.Line.
func (l *Line) Restore(*call.Call, []byte, time.Duration) error { return nil }

// Reach implements engine.Line.
func (l *Line) Reach() {}

// Unanswered implements engine.Line.
func (l *Line) Unanswered() [call.NumLegs]bool { return [call.NumLegs]bool{} }

// Invite implements engine.Line.
func (l *Line) Invite(e call.Invite) {
	l.note(e)
	r := l.response(100, "Trying")
	r.Leg = e.Leg
	l.post(call.Calling{Response: r})
}

// Cancel implements engine.Line: the phone gives up at once.
func (l *Line) Cancel(e call.Cancel) {
	l.note(e)
	l.RejectOn(e.Leg, 487, "Request Terminated")
}

// Ack implements engine.Line.
func (l *Line) Ack(e call.Ack) { l.note(e) }

// Prack implements engine.Line.
func (l *Line) Prack(e call.Prack) { l.note(e) }

// Reinvite implements engine.Line: the phone takes it at once.
func (l *Line) Reinvite(e call.Reinvite) {
	l.note(e)
	r := l.response(200, "OK")
	r.Leg = e.Leg
	l.post(call.Renegotiated{Response: r, SDP: call.GoodSDP})
}

// Refer implements engine.Line.
func (l *Line) Refer(e call.Refer) { l.note(e) }

// Bye implements engine.Line: the phone confirms at once.
func (l *Line) Bye(e call.Bye) {
	l.note(e)
	l.post(call.Released{Leg: e.Leg})
}

// Respond implements engine.Line.
func (l *Line) Respond(e call.Respond) { l.note(e) }

// Forward implements engine.Line.
func (l *Line) Forward(e call.Forward) { l.note(e) }

// Ping implements engine.Line: the phone is there.
func (l *Line) Ping(e call.Ping) { l.note(e) }

// Release implements engine.Line.
func (l *Line) Release(e call.Release) { l.note(e) }

// Dialog implements engine.Line.
func (l *Line) Dialog(leg call.Leg) (call.DialogID, bool) {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	return call.DialogID{SIPCallID: l.callID, LocalTag: "Ours", RemoteTag: "Theirs"}, l.answered[leg]
}

func (l *Line) response(status int, phrase string) call.Response {
	return call.Response{SIPCallID: l.callID, Status: status, Line: fmt.Sprintf("SIP/2.0 %d %s", status, phrase), At: time.Now()}
}

// Progress is a provisional response to the INVITE, or a challenge.
func (l *Line) Progress(status int, phrase string) {
	l.post(call.Progress{Response: l.response(status, phrase)})
}

// Answer is a 2xx to the INVITE.
func (l *Line) Answer(status int, phrase string) {
	l.post(call.Answered{Response: l.response(status, phrase)})
}

// AnswerOn is a 2xx to the INVITE of a leg, with SDP.
func (l *Line) AnswerOn(leg call.Leg) {
	r := l.response(200, "OK")
	r.Leg = leg
	l.all.mu.Lock()
	l.answered[leg] = true
	l.all.mu.Unlock()
	l.post(call.Answered{Response: r, SDP: call.GoodSDP})
}

// ProgressOn is a provisional response to the INVITE of a leg.
func (l *Line) ProgressOn(leg call.Leg, status int, phrase string) {
	r := l.response(status, phrase)
	r.Leg = leg
	l.post(call.Progress{Response: r})
}

// RejectOn is another final response to the INVITE of a leg.
func (l *Line) RejectOn(leg call.Leg, status int, phrase string) {
	r := l.response(status, phrase)
	r.Leg = leg
	l.post(call.Rejected{Response: r})
}

// HangUp is a BYE of the phone of a leg.
func (l *Line) HangUp(leg call.Leg) { l.post(call.HungUp{Leg: leg}) }

// Reject is another final response to the INVITE.
func (l *Line) Reject(status int, phrase string) {
	l.post(call.Rejected{Response: l.response(status, phrase)})
}

// Fail is the end of an INVITE that got no final response.
func (l *Line) Fail(status int, phrase string) {
	l.post(call.SendFailed{Response: l.response(status, phrase)})
}

// Referred is the final response to the REFER.
func (l *Line) Referred(status int, phrase string) {
	l.post(call.Referred{Response: l.response(status, phrase)})
}

// Notify is a NOTIFY with a sipfrag.
func (l *Line) Notify(state, body string) {
	l.post(call.Notified{SIPCallID: l.callID, Event: "refer", State: state, Body: body, At: time.Now()})
}
