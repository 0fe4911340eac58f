package call

import "time"

// Effect is what the outside must do; the set is closed. Effects are performed in
// order.
type Effect interface{ effect() }

// Offer says what SDP an INVITE carries.
type Offer uint8

// The offers, in the order in which they are tried with a phone that is not known.
const (
	OfferSink Offer = iota // one audio line at our sink
	OfferNone              // no SDP: the phone makes the offer
	OfferPeer              // what the other leg's phone said last
)

// other is the offer that is tried when o was refused.
func (o Offer) other() Offer {
	if o == OfferSink {
		return OfferNone
	}
	return OfferSink
}

// Cause is what a Reason field says (RFC 3326); the zero value says nothing.
type Cause struct {
	Status int    // a SIP status
	Text   string // "" for the usual phrase
}

// Body says what SDP a message carries.
type Body uint8

// The bodies of a Respond, an Ack and a Reinvite.
const (
	NoBody     Body = iota
	SinkAnswer      // the sink's answer to the offer of the phone, or its offer when there was none
	PeerSDP         // what the phone of the leg From said last, as the leg may be told it
	SameSDP         // what the leg's phone was told last
	HeldSDP         // an offer that stops all media
	Refusal         // an answer that refuses every stream, when the phone has made an offer
)

// The effects.
type (
	// Invite calls the party of a leg, as the agent.
	Invite struct {
		Leg    Leg
		Number uint8 // counts those of the call: no two have the same name in SIP
		Offer  Offer
		To     *Party // nil for the calling party of the order
		From   Leg    // of OfferPeer
	}
	// Cancel gives up the leg's INVITE.
	Cancel struct {
		Leg   Leg
		Cause Cause
	}
	// Ack acknowledges the leg's 2xx. NoBody answers an offer of the phone for the sink.
	Ack struct {
		Leg  Leg
		Body Body
		From Leg // of PeerSDP
	}
	// Prack answers the offer in the leg's last reliable provisional response.
	Prack struct {
		Leg  Leg
		Body Body
		From Leg // of PeerSDP
	}
	// Reinvite sends an INVITE inside the leg's dialog, with an offer or with NoBody.
	Reinvite struct {
		Leg     Leg
		Body    Body
		From    Leg     // of PeerSDP
		Request Request // of From, whose SDP that is; 0 for what its phone said in a response
	}
	// Refer asks the leg's phone to call the called party.
	Refer struct{ Leg Leg }
	// Bye hangs the leg up.
	Bye struct {
		Leg   Leg
		Cause Cause
	}
	// Respond answers a request of the leg's phone.
	Respond struct {
		Leg     Leg
		Request Request
		Status  int
		Body    Body
		From    Leg // of PeerSDP
	}
	// Forward sends a request of the phone of From inside the leg's dialog, and answers
	// it as the leg's phone does.
	Forward struct {
		Leg     Leg
		From    Leg
		Request Request
	}
	// Ping asks the leg's phone, by OPTIONS in the dialog, whether it is still there.
	Ping struct{ Leg Leg }
	// Release lets go of the leg: nothing is expected of it any more.
	Release struct{ Leg Leg }
	// StartTimer sets a deadline, anew if it runs already.
	StartTimer struct {
		Timer  Timer
		After  time.Duration
		Spread time.Duration // a random part of it is added, in steps of 10 ms
	}
	// StopTimer takes a deadline back.
	StopTimer struct{ Timer Timer }
)

func (Invite) effect()     {}
func (Cancel) effect()     {}
func (Ack) effect()        {}
func (Prack) effect()      {}
func (Reinvite) effect()   {}
func (Refer) effect()      {}
func (Bye) effect()        {}
func (Respond) effect()    {}
func (Forward) effect()    {}
func (Ping) effect()       {}
func (Release) effect()    {}
func (StartTimer) effect() {}
func (StopTimer) effect()  {}
