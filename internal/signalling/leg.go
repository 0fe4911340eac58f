package signalling

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
)

// leg is one INVITE of a call and its dialog. It implements dialog.User.
type leg struct {
	line     *line
	which    call.Leg
	late     bool // the INVITE had no SDP: the phone offers in its 2xx
	session  *dialog.Session
	referSeq atomic.Uint32

	mu      sync.Mutex
	sink    sdp.Sink
	offered []byte // the offer of the phone's 2xx, until the ACK has answered it
	waiting []waiting
	last    call.Request
}

// waiting is a request of the phone that has no answer yet.
type waiting struct {
	id  call.Request
	req *dialog.Request
}

// maxWaiting bounds the requests of one phone that wait for an answer.
const maxWaiting = 16

// outgoing describes the INVITE, from the order alone, whose URIs have been checked.
func (g *leg) outgoing() dialog.Outgoing {
	c, o := g.line.config, g.line.order
	target, _ := sip.ParseURI(o.Caller.URI)
	from, _ := sip.ParseURI(o.Agent.URI)
	out := dialog.Outgoing{
		Target:      target,
		From:        sip.NameAddr{Display: o.Agent.Display, URI: from},
		To:          sip.NameAddr{Display: o.Caller.Display, URI: target},
		ContactUser: contactUser,
		ContentType: sdp.MediaType,
		Body:        g.offer,
	}
	if c.Sipx {
		out.Target.Params = sipxParams(target.Params, o.Forwarding)
	}
	if g.late {
		out.Body = g.noOffer
	}
	if o.Subject != "" {
		out.Fields = append(out.Fields, field(sip.Subject, o.Subject))
	}
	return out
}

// offer is the first offer; host is our address towards the next hop.
func (g *leg) offer(host string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sink.Host = host
	return g.sink.Offer()
}

// noOffer only learns the address of the sink.
func (g *leg) noOffer(host string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sink.Host = host
	return nil
}

// answer is what the ACK carries: nothing, unless the phone made the offer.
func (g *leg) answer() ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	offer := g.offered
	g.offered = nil
	if !g.late {
		return nil, nil
	}
	return g.sink.Answer(offer)
}

// Progress implements dialog.User.
func (g *leg) Progress(s *dialog.Session, resp *sip.Message) {
	g.line.post(call.Progress{Response: g.response(s, resp)})
}

// Answered implements dialog.User.
func (g *leg) Answered(s *dialog.Session, resp *sip.Message) {
	if g.late {
		g.mu.Lock()
		g.offered = resp.Body
		g.mu.Unlock()
	}
	g.line.post(call.Answered{Response: g.response(s, resp), Routed: s.Routed()})
}

// Rejected implements dialog.User.
func (g *leg) Rejected(s *dialog.Session, resp *sip.Message) {
	s.Release()
	g.line.post(call.Rejected{Response: g.response(s, resp)})
}

// Failed implements dialog.User.
func (g *leg) Failed(s *dialog.Session, err error) {
	if errors.Is(err, transaction.ErrNoAck) {
		g.line.post(call.Lost{Leg: g.which})
		return
	}
	g.line.config.Log.Info("leg failed", "call", string(g.line.id), "leg", g.which.String(), "sip_call_id", s.SIPCallID(), "error", err)
	s.Release()
	g.line.post(call.SendFailed{Response: localResponse(g.which, s.SIPCallID(), statusOf(err))})
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
	g.line.post(call.Referred{Response: r})
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
	id, ok := g.hold(r)
	if !ok {
		r.Respond(500, nil, "", nil)
		return
	}
	if !g.line.post(g.event(s, id, r)) {
		g.respond(call.Respond{Leg: g.which, Request: id, Status: 481})
	}
}

// event turns a request into what the call understands. Only the methods that the
// UA allows come here.
func (g *leg) event(s *dialog.Session, id call.Request, r *dialog.Request) call.Event {
	switch r.Msg.Method {
	case sip.INVITE:
		return call.Reinvited{Leg: g.which, Request: id}
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
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == maxWaiting {
		return 0, false
	}
	g.last++
	g.waiting = append(g.waiting, waiting{g.last, r})
	return g.last, true
}

func (g *leg) take(id call.Request) *dialog.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w.id == id {
			g.waiting = slices.Delete(g.waiting, i, i+1)
			return w.req
		}
	}
	return nil
}

func (g *leg) respond(e call.Respond) {
	r := g.take(e.Request)
	if r == nil {
		return
	}
	if e.Body != call.SinkAnswer {
		r.Respond(e.Status, fieldsOf(e.Status), "", nil)
		return
	}
	body, err := g.sinkAnswer(r.Msg.Body)
	if err != nil {
		r.Respond(488, []sip.Field{field(sip.Warning, `399 callcontroller `+sip.Quote(err.Error()))}, "", nil)
		return
	}
	r.Respond(e.Status, nil, sdp.MediaType, body)
}

// fieldsOf gives the fields that a response of that status must have (RFC 6665
// section 8.2.2).
func fieldsOf(status int) []sip.Field {
	if status == 489 {
		return []sip.Field{field(sip.AllowEvents, "refer")}
	}
	return nil
}

func (g *leg) sinkAnswer(offer []byte) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(offer) == 0 {
		return g.sink.Offer(), nil
	}
	return g.sink.Answer(offer)
}
