// Package signalling performs the effects of a call with SIP, and turns what SIP
// brings into the call's events. It decides nothing about calls and starts no
// goroutine: events are posted from where they come, the transport's read loops
// and the timing wheel.
package signalling

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/timing"
)

// contactUser is the user part of our Contact, as the original had it
// (CONTRACT 8.1).
const contactUser = "callcontroller"

// Methods are those that a Signaller's dialogs take from the phones, in the form of
// dialog.Config.Allow.
var Methods = []string{sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.NOTIFY, sip.UPDATE, sip.INFO}

// Config is what a Signaller needs.
type Config struct {
	UA *dialog.UA
	// Account gives the SIP credentials with which calls of an agent are placed:
	// those of the directory's user of that name, else the server's own.
	Account func(user string) *digest.Credentials
	// SinkPort is the UDP port of the media sink.
	SinkPort uint16
	// SessionExpires is the session interval that calls of INVITE mode ask for, in seconds
	// (RFC 4028); 0 for none.
	SessionExpires uint32
	Wheel          *timing.Wheel // for session timers; nil for none
	// Sipx adds the URI parameters that sipXecs proxies know (CONTRACT 8.1).
	Sipx bool
	Log  *slog.Logger
}

// Signaller implements engine.Signaller.
type Signaller struct{ config Config }

// New makes a Signaller.
func New(c Config) *Signaller { return &Signaller{config: c} }

// Open implements engine.Signaller.
func (s *Signaller) Open(r *engine.Running) engine.Line {
	return &line{config: &s.config, call: r}
}

// line is the signalling of one call. Its engine.Line methods are called one at a
// time, so that only those that change legs need a lock for it; what SIP brings goes to the leg.
type line struct {
	config *Config
	call   *engine.Running
	legs   [call.NumLegs]*leg

	mu sync.Mutex // guards what the legs have, and legs for Dialog
}

// expires is the session interval that the legs of the call ask for.
func (l *line) expires() uint32 {
	if l.call.Order().Mode == call.ByRefer {
		return 0 // Its leg lives for seconds.
	}
	return l.config.SessionExpires
}

// Invite implements engine.Line.
func (l *line) Invite(e call.Invite) {
	to := e.To
	if to == nil {
		to = &l.call.Order().Caller
	}
	_, err := sip.ParseURI(to.URI)
	_, err2 := sip.ParseURI(l.call.Order().Agent.URI)
	if err = errors.Join(err, err2); err != nil {
		// The directory or a rule let a bad address through: nothing can be sent.
		l.config.Log.Error("cannot call", "call", string(l.call.ID()), "leg", e.Leg.String(), "error", err)
		l.call.Post(call.SendFailed{Response: localResponse(e.Leg, "", 503)})
		return
	}
	g := &leg{
		line: l, which: e.Leg, number: e.Number, first: e.Offer, from: e.From, to: to,
		sdp: sdp.Leg{Port: l.config.SinkPort, ID: rand.Uint64() >> 2},
	}
	l.mu.Lock()
	l.legs[e.Leg] = g
	l.mu.Unlock()
	name := g.name()
	l.call.Post(call.Calling{Response: localResponse(e.Leg, name.SIPCallID, 100)})
	s := l.config.UA.Invite(name, l.account(), g)
	l.mu.Lock()
	g.session = s
	l.mu.Unlock()
	l.config.Log.Info("leg called", "call", string(l.call.ID()), "leg", e.Leg.String(), "sip_call_id", name.SIPCallID)
}

func (l *line) account() *digest.Credentials { return l.config.Account(l.call.Order().Agent.User) }

// Dialog implements engine.Line.
func (l *line) Dialog(which call.Leg) (call.DialogID, bool) {
	l.mu.Lock()
	g := l.legs[which]
	if g == nil || g.session == nil {
		l.mu.Unlock()
		return call.DialogID{}, false
	}
	s := g.session
	l.mu.Unlock()
	local, remote := s.Tags()
	return call.DialogID{SIPCallID: s.SIPCallID(), LocalTag: local.String(), RemoteTag: string(remote)}, remote != ""
}

// sipxParams adds the parameters by which a sipXecs proxy is told not to divert
// the call to voicemail, nor to follow forwarding unless asked (CONTRACT 8.1).
func sipxParams(p sip.Params, forwarding bool) sip.Params {
	p = p.With("sipx-noroute", "Voicemail")
	if !forwarding {
		p = p.With("sipx-userforward", "false")
	}
	return p.With("sipxbridge-moh", "false")
}

// Cancel implements engine.Line.
func (l *line) Cancel(e call.Cancel) {
	if g := l.legs[e.Leg]; g != nil {
		g.session.Cancel(reason(e.Cause)...)
	}
}

// Ack implements engine.Line.
func (l *line) Ack(e call.Ack) {
	g := l.legs[e.Leg]
	if g == nil {
		return
	}
	if e.Body == call.NoBody && g.owesAnswer() {
		e.Body = call.SinkAnswer
	}
	g.session.Ack(sdp.MediaType, g.say(e.Body, e.From))
}

// Prack implements engine.Line.
func (l *line) Prack(e call.Prack) {
	if g := l.legs[e.Leg]; g != nil {
		g.session.Prack(sdp.MediaType, g.say(e.Body, e.From))
	}
}

// Reinvite implements engine.Line.
func (l *line) Reinvite(e call.Reinvite) {
	g := l.legs[e.Leg]
	if g == nil {
		return
	}
	if from := l.legs[e.From]; e.Request != 0 && from != nil {
		from.hearRequest(e.Request)
	}
	g.session.Send(dialog.Sent{
		Method: sip.INVITE, Fields: g.timerFields(), ContentType: sdp.MediaType, Body: g.say(e.Body, e.From), Done: g.renegotiated(e.Body),
	})
}

// Refer implements engine.Line (RFC 3515 section 2.4.1).
func (l *line) Refer(e call.Refer) {
	g := l.legs[e.Leg]
	if g == nil {
		return
	}
	to := l.call.Order().Callee.URI
	if pin := l.call.Order().ConfPIN; pin != "" {
		to += "?" + confPIN + "=" + sip.EscapeHeader(pin)
	}
	_, err := sip.ParseURI(to)
	_, err2 := sip.ParseURI(l.call.Order().ReferredBy)
	if err = errors.Join(err, err2); err != nil {
		// As in Invite. A ">" in the URI would end it, and start parameters.
		l.config.Log.Error("cannot refer", "call", string(l.call.ID()), "leg", e.Leg.String(), "error", err)
		l.call.Post(call.Referred{Response: localResponse(e.Leg, g.session.SIPCallID(), 500)})
		return
	}
	g.session.Send(dialog.Sent{
		Method:  sip.REFER,
		Fields:  []sip.Field{field(sip.ReferTo, "<"+to+">"), field(sip.ReferredBy, "<"+l.call.Order().ReferredBy+">")},
		Sending: g.referSeq.Store,
		Done:    g.referDone,
	})
}

// Bye implements engine.Line.
func (l *line) Bye(e call.Bye) {
	g := l.legs[e.Leg]
	if g == nil {
		return
	}
	g.session.Send(dialog.Sent{Method: sip.BYE, Fields: reason(e.Cause), Done: func(*sip.Message, error) {
		l.call.Post(call.Released{Leg: e.Leg})
	}})
}

// Respond implements engine.Line.
func (l *line) Respond(e call.Respond) {
	if g := l.legs[e.Leg]; g != nil {
		g.respond(e)
	}
}

// Forward implements engine.Line. Of the request only what says what its body is goes
// over (row U42).
func (l *line) Forward(e call.Forward) {
	from, to := l.legs[e.From], l.legs[e.Leg]
	if from == nil || to == nil {
		return
	}
	r := from.take(e.Request)
	if r == nil {
		return
	}
	s := dialog.Sent{Method: r.Msg.Method, ContentType: r.Msg.Get(sip.ContentType), Body: r.Msg.Body, Done: func(resp *sip.Message, err error) {
		l.forwarded(to, r, resp, err)
	}}
	if p := r.Msg.GetOther(infoPackage); p != "" {
		s.Fields = append(s.Fields, sip.Field{Name: infoPackage, Value: p})
	}
	to.session.Send(s)
}

// Ping implements engine.Line. Any answer but 408 and 481 says that the phone is there.
func (l *line) Ping(e call.Ping) {
	g := l.legs[e.Leg]
	if g == nil {
		return
	}
	g.session.Send(dialog.Sent{Method: sip.OPTIONS, Done: func(resp *sip.Message, err error) {
		status := statusOf(err)
		if err == nil {
			status = resp.Status
		} else if status == 503 {
			status = 408 // Nobody is where the phone was.
		}
		if status == 408 || status == 481 {
			l.call.Post(call.Gone{Leg: e.Leg, Status: status})
		}
	}})
}

// infoPackage is the field that names what an INFO is about (RFC 6086 section 7.1).
const infoPackage = "Info-Package"

// forwarded answers the request with what came of it. A dialog that the other phone
// does not know any more is over (RFC 5057 section 5.1, row U37).
func (l *line) forwarded(to *leg, r *dialog.Request, resp *sip.Message, err error) {
	status := statusOf(err)
	if err == nil {
		status = resp.Status
	}
	if status == 408 || status == 481 {
		r.Respond(480, nil, "", nil)
		l.call.Post(call.Gone{Leg: to.which, Status: status})
		return
	}
	if status == 401 || status == 407 || status >= 300 && status < 400 {
		status = 403
	}
	r.Respond(status, nil, "", nil)
}

// Release implements engine.Line.
func (l *line) Release(e call.Release) {
	if g := l.legs[e.Leg]; g != nil {
		g.line.mu.Lock()
		g.stopTimer()
		g.line.mu.Unlock()
		g.session.Release()
	}
}

func field(h sip.Header, value string) sip.Field {
	return sip.Field{Header: h, Name: h.String(), Value: value}
}

// reason makes the Reason field of a cause (RFC 3326), none for the zero cause.
func reason(c call.Cause) []sip.Field {
	if c.Status == 0 {
		return nil
	}
	return []sip.Field{dialog.Reason(c.Status, c.Text)}
}
