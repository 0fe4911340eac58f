package sandbox

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/timing"
)

const sdpType = sdp.MediaType

// CallState is the state of a call on a phone's display.
type CallState string

// The states of a call.
const (
	Calling CallState = "calling" // no answer and no ringing yet
	Ringing CallState = "ringing" // here or there
	Talking CallState = "talking"
	Held    CallState = "held" // the peer has put us on hold
	Over    CallState = "over"
)

// Call is one call of a phone.
type Call struct {
	Peer      string // SIP URI
	Placed    bool   // by this phone
	State     CallState
	SIPCallID string // "" until known
}

// ackWait is how long to wait before another look whether the ACK has come, without
// which a callee must not hang up (RFC 3261 section 15).
const ackWait = 100 * time.Millisecond

// Timers of a call.
const (
	timerAct    uint8 = iota // answer or decline
	timerHangUp              // the talk is over, or the ACK may have come
)

// phoneCall is one call of a phone. It implements dialog.Caller and timing.Owner.
type phoneCall struct {
	phone  *Phone
	report *subscription // whom to tell how the call goes, nil for nobody
	timer  timing.Timer

	outgoing dialog.Outgoing // of a call that the phone has placed

	mu         sync.Mutex
	peer       string
	placed     bool
	state      CallState
	session    *dialog.Session
	invitation *dialog.Invitation // until it is answered
	accepted   *dialog.Invitation // when it is
	sink       sdp.Leg
	following  int // REFERs of this call about which reports are still owed
}

func (p *Phone) newCall(report *subscription) *phoneCall {
	host, _ := p.transport.SentBy(p.proxy)
	c := &phoneCall{phone: p, report: report}
	c.sink = sdp.Leg{Host: trimBrackets(host), Port: p.sink.Port(), ID: rand.Uint64() >> 2}
	return c
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' {
		return host[1 : len(host)-1]
	}
	return host
}

func (c *phoneCall) show() Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	shown := Call{Peer: c.peer, Placed: c.placed, State: c.state}
	if c.session != nil {
		shown.SIPCallID = c.session.SIPCallID()
	}
	return shown
}

// move changes the state, unless the call is over, and tells whether it did.
func (c *phoneCall) move(to CallState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Over || c.state == to {
		return false
	}
	c.state = to
	return true
}

// ring begins a call that came in.
func (c *phoneCall) ring(i *dialog.Invitation, from sip.NameAddr) {
	c.mu.Lock()
	if c.state == Over {
		c.mu.Unlock() // The CANCEL was faster.
		c.phone.remove(c)
		return
	}
	c.peer, c.state, c.session, c.invitation = from.URI.String(), Ringing, i.Session, i
	c.mu.Unlock()
	who := from.URI.String()
	if from.Display != "" {
		who = sip.Quote(from.Display) + " " + who
	}
	c.phone.sayf("rings: call from %s", who)
	i.Progress(180)
	o := &c.phone.o
	switch {
	case o.Behaviour == Silent:
	case o.After > 0:
		o.Wheel.Start(&c.timer, o.After, c, timerAct)
	default:
		c.act()
	}
}

// Fired implements timing.Owner.
func (c *phoneCall) Fired(id uint8) {
	if id == timerAct {
		c.act()
		return
	}
	c.hangUp()
}

// act answers or declines a call that rings.
func (c *phoneCall) act() {
	c.mu.Lock()
	i := c.invitation
	c.invitation = nil
	c.mu.Unlock()
	if i == nil {
		return
	}
	if c.phone.o.Behaviour == Declines {
		c.reject(i, 603)
		return
	}
	body, err := c.describe(i.Msg.Body)
	if err != nil {
		c.reject(i, 488)
		return
	}
	c.mu.Lock()
	c.accepted = i
	c.mu.Unlock()
	if c.move(Talking) {
		c.phone.sayf("answers")
	}
	i.Answer(sdpType, body)
}

func (c *phoneCall) reject(i *dialog.Invitation, status int) {
	c.phone.sayf("refuses the call: %d %s", status, sip.ReasonPhrase(status))
	i.Reject(status)
	c.end()
}

// describe answers an offer, or makes one where there is none.
func (c *phoneCall) describe(offer []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(offer) == 0 {
		return c.sink.Offer(), nil
	}
	return c.sink.Answer(offer)
}

// offer is the offer of a call that the phone places.
func (c *phoneCall) offer(string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sink.Offer()
}

// Outgoing implements dialog.Caller.
func (c *phoneCall) Outgoing() dialog.Outgoing { return c.outgoing }

// Progress implements dialog.User.
func (c *phoneCall) Progress(s *dialog.Session, resp *sip.Message) {
	c.took(s)
	if resp.Status > 100 && resp.Status < 200 && c.move(Ringing) {
		c.report.tell(resp.Status, resp.Reason)
	}
}

// took notes the session: the first response may be faster than Invite's return.
func (c *phoneCall) took(s *dialog.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
}

// Answered implements dialog.User.
func (c *phoneCall) Answered(s *dialog.Session, resp *sip.Message) {
	c.took(s)
	s.Ack("", nil)
	if !c.move(Talking) {
		c.bye(s) // It was given up meanwhile.
		return
	}
	c.phone.sayf("talks to %s", c.show().Peer)
	c.report.tell(resp.Status, resp.Reason)
	if talk := c.phone.o.Talk; talk > 0 {
		c.phone.o.Wheel.Start(&c.timer, talk, c, timerHangUp)
	}
}

// Rejected implements dialog.User.
func (c *phoneCall) Rejected(s *dialog.Session, resp *sip.Message) {
	if call := c.show(); call.State != Over {
		c.phone.sayf("is refused by %s: %d %s", call.Peer, resp.Status, resp.Reason)
	}
	c.report.tell(resp.Status, resp.Reason)
	s.Release()
	c.end()
}

// Failed implements dialog.User.
func (c *phoneCall) Failed(s *dialog.Session, err error) {
	status := 503
	switch {
	case errors.Is(err, dialog.ErrCancelled):
		c.phone.sayf("stops ringing: the caller gave up")
	case errors.Is(err, transaction.ErrTimeout):
		status = 408
	}
	c.report.tell(status, sip.ReasonPhrase(status))
	s.Release()
	c.end()
}

// Acked implements dialog.User: this phone never offers in a 2xx that it sends to a
// re-INVITE.
func (c *phoneCall) Acked(*dialog.Session, *sip.Message) {}

// Request implements dialog.User.
func (c *phoneCall) Request(s *dialog.Session, r *dialog.Request) {
	switch r.Msg.Method {
	case sip.INVITE:
		c.reinvited(r)
	case sip.BYE:
		c.hungUp(s, r)
	case sip.REFER:
		c.refer(s, r)
	case sip.NOTIFY:
		r.Respond(481, nil, "", nil) // It asks nobody for reports (RFC 6665 section 4.1.3).
	default:
		r.Respond(405, nil, "", nil)
	}
}

// reinvited takes new media, hold and resume.
func (c *phoneCall) reinvited(r *dialog.Request) {
	if c.show().State == Ringing { // RFC 3261 section 14.2.
		r.Respond(500, []sip.Field{field(sip.RetryAfter, "1")}, "", nil)
		return
	}
	body, err := c.describe(r.Msg.Body)
	if err != nil {
		r.Respond(488, nil, "", nil)
		return
	}
	state, word := Talking, "is taken off hold"
	if media, err := sdp.ParseOffer(r.Msg.Body); err == nil && holds(media) {
		state, word = Held, "is put on hold"
	}
	if c.move(state) {
		c.phone.sayf("%s", word)
	}
	r.Respond(200, nil, sdpType, body)
}

// holds tells whether an offer wants nothing to hear of us (RFC 3264 section 8.4).
func holds(media []sdp.Media) bool {
	for _, m := range media {
		if m.Port != 0 && m.Direction != "sendonly" && m.Direction != "inactive" && !m.Zero {
			return false
		}
	}
	return true
}

// hungUp takes a BYE; while the phone rings it ends the ringing too (RFC 3261
// section 15.1.2).
func (c *phoneCall) hungUp(s *dialog.Session, r *dialog.Request) {
	r.Respond(200, nil, "", nil)
	c.mu.Lock()
	i := c.invitation
	c.invitation = nil
	c.mu.Unlock()
	c.phone.sayf("is hung up on by %s", c.show().Peer)
	if i != nil {
		i.Reject(487)
	}
	c.end()
	c.letGo(s)
}

// hangUp ends the call from this side, whatever its state.
func (c *phoneCall) hangUp() {
	c.mu.Lock()
	i, accepted, s, state, placed := c.invitation, c.accepted, c.session, c.state, c.placed
	c.invitation = nil
	c.mu.Unlock()
	switch {
	case state == Over || s == nil:
	case i != nil:
		c.reject(i, 603)
	case placed && state != Talking && state != Held:
		if c.move(Over) {
			c.phone.sayf("gives up")
			s.Cancel()
		}
	case !placed && (accepted == nil || !accepted.Confirmed()):
		c.phone.o.Wheel.Start(&c.timer, ackWait, c, timerHangUp)
	case c.move(Over):
		c.phone.sayf("hangs up")
		c.bye(s)
	}
}

func (c *phoneCall) bye(s *dialog.Session) {
	c.end()
	s.Send(dialog.Sent{Method: sip.BYE, Done: func(*sip.Message, error) { c.letGo(s) }})
}

// end takes the call off the display.
func (c *phoneCall) end() {
	c.move(Over)
	c.phone.o.Wheel.Stop(&c.timer)
	c.phone.remove(c)
}

// letGo releases the session of a call that is over, once no report is owed: a
// subscription outlives the BYE (RFC 5057 section 4.1).
func (c *phoneCall) letGo(s *dialog.Session) {
	c.mu.Lock()
	free := c.state == Over && c.following == 0
	c.mu.Unlock()
	if free {
		s.Release()
	}
}
