package signalling

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
)

// leg is one INVITE of a call and its dialog. It implements dialog.Caller.
type leg struct {
	line     *line
	which    call.Leg
	number   uint8      // of the INVITE among those of the call
	first    call.Offer // of the INVITE
	from     call.Leg   // whose phone said what is offered, with call.OfferPeer
	referSeq atomic.Uint32
	to       *call.Party
	session  *dialog.Session

	// Guarded by line.mu.
	timer   *sessionTimer // nil for none
	sdp     sdp.Leg
	said    *speech                          // what the phone said last, until both sides have agreed
	waiting map[call.Request]*dialog.Request // requests of the phone that have no answer yet
	last    call.Request

	heard call.Request // whose offer is what the phone said last; only for the effects of the call
}

// confPIN is the field by which a conference of sipXecs is told its PIN.
const confPIN = "X-ConfPin"

// maxWaiting bounds the requests of one phone that wait for an answer.
const maxWaiting = 16

// name is by what the INVITE is known, and by what a process that comes after this one
// finds it again.
func (g *leg) name() dialog.Name {
	return dialog.NameOf(string(g.line.call.ID()) + "/" + strconv.Itoa(int(g.number)))
}

// Outgoing implements dialog.Caller, from the order alone, whose URIs have been checked.
func (g *leg) Outgoing() dialog.Outgoing {
	c, o := g.line.config, g.line.call.Order()
	target, _ := sip.ParseURI(g.to.URI)
	from, _ := sip.ParseURI(o.Agent.URI)
	out := dialog.Outgoing{
		Target:      target,
		From:        sip.NameAddr{Display: o.ShownTo(g.which), URI: from},
		To:          sip.NameAddr{Display: g.to.Display, URI: target},
		ContactUser: contactUser,
		Expires:     g.line.expires(),
		ContentType: sdp.MediaType,
		Body:        g.offer,
	}
	if c.Sipx && g.which == call.Caller {
		out.Target.Params = sipxParams(target.Params, o.Forwarding)
	}
	if o.ConfPIN != "" && g.which == call.Callee {
		out.Fields = append(out.Fields, sip.Field{Name: confPIN, Value: o.ConfPIN})
	}
	if o.Subject != "" {
		out.Fields = append(out.Fields, field(sip.Subject, o.Subject))
	}
	return out
}

// offer is the first offer, nil for none; host is our address towards the next hop.
func (g *leg) offer(host string) []byte {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	g.sdp.Host = host
	switch g.first {
	case call.OfferSink:
		return g.sdp.Offer()
	case call.OfferPeer:
		return g.pass(g.line.legs[g.from])
	default:
		return nil
	}
}

// Progress implements dialog.User.
func (g *leg) Progress(s *dialog.Session, resp *sip.Message) {
	kind, _ := describe(resp)
	e := call.Progress{Response: g.response(s, resp), Media: kind == call.GoodSDP}
	if s.WantsAnswer(resp) {
		e.Offer = g.hear(resp, true)
	}
	g.line.call.Post(e)
}

// Answered implements dialog.User.
func (g *leg) Answered(s *dialog.Session, resp *sip.Message) {
	e := call.Answered{Response: g.response(s, resp), Routed: s.Routed(), Settled: s.Settled()}
	g.agreeAsUAC(resp)
	if !e.Settled {
		e.SDP = g.hear(resp, g.first == call.OfferNone)
	}
	g.line.call.Post(e)
}

// Acked implements dialog.User.
func (g *leg) Acked(_ *dialog.Session, ack *sip.Message) {
	g.line.call.Post(call.Acked{Leg: g.which, SDP: g.hear(ack, false)})
}

// renegotiated gives what tells the final response to our re-INVITE with that body. The
// answer to what the phone was told before says nothing new.
func (g *leg) renegotiated(b call.Body) func(*sip.Message, error) {
	return func(resp *sip.Message, err error) {
		if err != nil {
			g.line.call.Post(call.Renegotiated{Response: localResponse(g.which, g.session.SIPCallID(), statusOf(err))})
			return
		}
		e := call.Renegotiated{Response: g.response(g.session, resp)}
		if resp.Status < 300 {
			g.agreeAsUAC(resp)
			if b != call.SameSDP {
				e.SDP = g.hear(resp, b == call.NoBody)
			}
		}
		g.line.call.Post(e)
	}
}

// Rejected implements dialog.User.
func (g *leg) Rejected(s *dialog.Session, resp *sip.Message) {
	s.Release()
	g.line.call.Post(call.Rejected{Response: g.response(s, resp)})
}

// Failed implements dialog.User.
func (g *leg) Failed(s *dialog.Session, err error) {
	if errors.Is(err, transaction.ErrNoAck) {
		g.line.call.Post(call.Lost{Leg: g.which})
		return
	}
	g.line.config.Log.Info("leg failed", "call", string(g.line.call.ID()), "leg", g.which.String(), "sip_call_id", s.SIPCallID(), "error", err)
	s.Release()
	g.line.call.Post(call.SendFailed{Response: localResponse(g.which, s.SIPCallID(), statusOf(err))})
}

// statusOf is the status that a local failure counts as (RFC 3261 section 8.1.3.1).
func statusOf(err error) int {
	if errors.Is(err, transaction.ErrTimeout) {
		return 408
	}
	return 503
}

// referDone tells the final response to the REFER.
func (g *leg) referDone(resp *sip.Message, err error) {
	r := localResponse(g.which, g.session.SIPCallID(), statusOf(err))
	if err == nil {
		r = g.response(g.session, resp)
	}
	g.line.call.Post(call.Referred{Response: r})
}

func (g *leg) response(s *dialog.Session, resp *sip.Message) call.Response {
	return call.Response{
		Leg: g.which, SIPCallID: s.SIPCallID(), Status: resp.Status, At: time.Now(), Line: statusLine(resp.Status, resp.Reason),
	}
}

// localResponse is the event of a response that nobody sent: silence is a 408, an
// unreachable hop a 503.
func localResponse(which call.Leg, sipCallID string, status int) call.Response {
	return call.Response{
		Leg: which, SIPCallID: sipCallID, Status: status, At: time.Now(), Line: statusLine(status, sip.ReasonPhrase(status)),
	}
}

func statusLine(status int, phrase string) string {
	if line, ok := usual[status]; ok && line[len("SIP/2.0 NNN "):] == phrase {
		return line
	}
	return strings.TrimSpace(sip.Version + " " + strconv.Itoa(status) + " " + phrase)
}

// usual has the status lines that nearly every call reports, so that a standing
// call holds none of its own.
var usual = func() map[int]string {
	m := make(map[int]string)
	for _, status := range []int{100, 180, 183, 200, 407, 486, 487, 603} {
		m[status] = sip.Version + " " + strconv.Itoa(status) + " " + sip.ReasonPhrase(status)
	}
	return m
}()

// Request implements dialog.User.
func (g *leg) Request(s *dialog.Session, r *dialog.Request) {
	if isOffer(r) {
		if fields := tooShort(r.Msg); fields != nil {
			r.Respond(422, fields, "", nil)
			return
		}
	}
	id, ok := g.hold(r)
	if !ok {
		r.Respond(500, nil, "", nil)
		return
	}
	if !g.line.call.Post(g.event(s, id, r)) {
		g.respond(call.Respond{Leg: g.which, Request: id, Status: 481})
	}
}

// event turns a request into what the call understands. Only the methods that the
// UA allows come here.
func (g *leg) event(s *dialog.Session, id call.Request, r *dialog.Request) call.Event {
	switch r.Msg.Method {
	case sip.INVITE, sip.UPDATE:
		kind, _ := describe(r.Msg) // It is heard when the call has taken it.
		return call.Reinvited{Leg: g.which, Request: id, SDP: kind, Update: r.Msg.Method == sip.UPDATE}
	case sip.INFO:
		return call.Informed{Leg: g.which, Request: id}
	case sip.NOTIFY:
		return call.Notified{
			Leg: g.which, Request: id, SIPCallID: s.SIPCallID(), At: time.Now(),
			Event: r.Msg.Get(sip.Event), State: r.Msg.Get(sip.SubscriptionState), // Parts of the message, not kept.
			ReferSeq: g.referSeq.Load(), Body: string(r.Msg.Body),
		}
	default:
		return call.HungUp{Leg: g.which, Request: id}
	}
}

func (g *leg) hold(r *dialog.Request) (call.Request, bool) {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if len(g.waiting) == maxWaiting {
		return 0, false
	}
	if g.waiting == nil {
		g.waiting = make(map[call.Request]*dialog.Request, 1)
	}
	g.last++
	g.waiting[g.last] = r
	return g.last, true
}

// hearRequest takes the offer of a request that waits for its answer.
func (g *leg) hearRequest(id call.Request) {
	g.line.mu.Lock()
	r := g.waiting[id]
	g.line.mu.Unlock()
	if r != nil {
		g.heard = id
		g.hear(r.Msg, true)
	}
}

func (g *leg) take(id call.Request) *dialog.Request {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	r := g.waiting[id]
	if delete(g.waiting, id); len(g.waiting) == 0 {
		g.waiting = nil // A standing call keeps no room that it needed once.
	}
	return r
}

func (g *leg) respond(e call.Respond) {
	r := g.take(e.Request)
	if r == nil {
		return
	}
	if e.Status >= 300 {
		if e.Request == g.heard {
			g.forget()
		}
		r.Respond(e.Status, fieldsOf(e.Status), "", nil)
		return
	}
	if e.Body == call.SinkAnswer {
		g.hear(r.Msg, true)
	}
	body := g.say(e.Body, e.From)
	if e.Body != call.NoBody && body == nil {
		r.Respond(488, []sip.Field{field(sip.Warning, `399 callcontroller "the offer cannot be answered"`)}, "", nil)
		return
	}
	var fields []sip.Field
	if isOffer(r) {
		fields = g.agreeAsUAS(r.Msg)
	}
	r.Respond(e.Status, fields, sdp.MediaType, body)
}

// isOffer tells the requests that set up or change a session.
func isOffer(r *dialog.Request) bool { return r.Msg.Method == sip.INVITE || r.Msg.Method == sip.UPDATE }

// fieldsOf gives the fields that a response of that status must have (RFC 6665
// section 8.2.2, RFC 3261 section 14.2).
func fieldsOf(status int) []sip.Field {
	switch status {
	case 489:
		return []sip.Field{field(sip.AllowEvents, "refer")}
	case 500:
		return []sip.Field{field(sip.RetryAfter, strconv.Itoa(rand.IntN(11)))}
	default:
		return nil
	}
}
