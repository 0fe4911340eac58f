package signalling

import (
	"callcontroller/internal/call"
	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
)

// speech is a session description of a phone.
type speech struct {
	body  []byte
	offer bool // it is an offer that has no answer
}

// hear keeps the session description of a message of the phone, and tells what kind
// it is. offer says that it is an offer, which an answer is owed for.
func (g *leg) hear(m *sip.Message, offer bool) call.SDP {
	kind, body := describe(m)
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if body != nil {
		g.said = &speech{body, offer}
	} else if offer && g.said != nil {
		g.said.offer = false
	}
	return kind
}

// describe finds the session description of a message.
func describe(m *sip.Message) (call.SDP, []byte) {
	if len(m.Body) == 0 {
		return call.NoSDP, nil
	}
	body, ok := sdp.Find(m.Get(sip.ContentType), m.Body)
	if !ok {
		return call.BadSDP, nil
	}
	switch dead, err := sdp.Check(body); {
	case err != nil:
		return call.BadSDP, body
	case dead:
		return call.DeadSDP, body
	default:
		return call.GoodSDP, body
	}
}

// owesAnswer tells that the phone has made an offer that has no answer yet.
func (g *leg) owesAnswer() bool {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	return g.owes()
}

// owes is owesAnswer with g.line.mu held.
func (g *leg) owes() bool { return g.said != nil && g.said.offer }

// say makes what the leg's phone is told: an answer when it has made an offer, else
// an offer.
func (g *leg) say(b call.Body, from call.Leg) []byte {
	if b == call.SameSDP {
		return g.told()
	}
	body := g.make(b, from)
	g.keep(body)
	return body
}

func (g *leg) make(b call.Body, from call.Leg) []byte {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	switch b {
	case call.SinkAnswer:
		if !g.owes() {
			return g.sdp.Offer()
		}
		g.said.offer = false
		return g.warned(g.sdp.Answer(g.said.body))
	case call.HeldSDP:
		return g.sdp.Hold()
	case call.PeerSDP:
		return g.pass(g.line.legs[from])
	case call.Refusal:
		if !g.owes() {
			return nil
		}
		g.said.offer = false
		return g.warned(g.sdp.Refuse(g.said.body))
	default:
		return nil
	}
}

// pass gives what the phone of another leg said last. When that was its answer, the
// two have agreed, and nobody keeps what was said.
func (g *leg) pass(other *leg) []byte {
	if other == nil || other.said == nil {
		return nil
	}
	if !g.owes() {
		return g.warned(g.sdp.PassOffer(&other.sdp, other.said.body))
	}
	body := g.warned(g.sdp.PassAnswer(&other.sdp, g.said.body, other.said.body))
	g.said, other.said = nil, nil
	return body
}

// forget drops what the phone offered and was refused.
func (g *leg) forget() {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	g.said = nil
}

// warned tells in the log what cannot be passed on or answered.
func (g *leg) warned(body []byte, err error) []byte {
	if err != nil {
		g.line.config.Log.Warn("session description of the phone not understood", "call", string(g.line.call.ID()), "leg", g.which.String(), "error", err)
	}
	return body
}
