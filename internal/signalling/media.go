package signalling

import (
	"callcontroller/internal/call"
	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
)

// hear keeps the session description of a message of the phone, and tells what kind
// it is. offer says that it is an offer, which an answer is owed for.
func (g *leg) hear(m *sip.Message, offer bool) call.SDP {
	kind, body := describe(m)
	g.line.media.Lock()
	defer g.line.media.Unlock()
	if body != nil {
		g.said, g.owes = body, offer
	} else if offer {
		g.owes = false
	}
	return kind
}

// describe finds the session description of a message.
func describe(m *sip.Message) (call.SDP, []byte) {
	if len(m.Body) == 0 {
		return call.NoSDP, nil
	}
	body, ok := sdp.Find(m.Get(sip.ContentType), m.Body)
	switch {
	case !ok:
		return call.BadSDP, nil
	case sdp.Check(body) != nil:
		return call.BadSDP, body
	case sdp.Dead(body):
		return call.DeadSDP, body
	default:
		return call.GoodSDP, body
	}
}

// owesAnswer tells that the phone has made an offer that has no answer yet.
func (g *leg) owesAnswer() bool {
	g.line.media.Lock()
	defer g.line.media.Unlock()
	return g.owes
}

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
	g.line.media.Lock()
	defer g.line.media.Unlock()
	switch b {
	case call.SinkAnswer:
		if !g.owes {
			return g.sdp.Offer()
		}
		g.owes = false
		return g.warned(g.sdp.Answer(g.said))
	case call.HeldSDP:
		return g.sdp.Hold()
	case call.PeerSDP:
		return g.pass(g.line.legs[from])
	case call.Refusal:
		if !g.owes {
			return nil
		}
		g.owes = false
		return g.warned(g.sdp.Refuse(g.said))
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
	if !g.owes {
		return g.warned(g.sdp.PassOffer(&other.sdp, other.said))
	}
	body := g.warned(g.sdp.PassAnswer(&other.sdp, g.said, other.said))
	g.owes, g.said, other.owes, other.said = false, nil, false, nil
	return body
}

// forget drops what the phone offered and was refused.
func (g *leg) forget() {
	g.line.media.Lock()
	defer g.line.media.Unlock()
	g.owes, g.said = false, nil
}

// warned tells in the log what cannot be passed on or answered.
func (g *leg) warned(body []byte, err error) []byte {
	if err != nil {
		g.line.config.Log.Warn("session description of the phone not understood", "call", string(g.line.call.ID()), "leg", g.which.String(), "error", err)
	}
	return body
}
