package call

// bridge is INVITE mode: the controller of RFC 3725 section 4.4 stays between two
// legs, each a dialog of its own, and carries offers and answers from one to the
// other.
//
//	       Start          2xx of the caller        2xx of the callee       2xx of the caller
//	queued -----> calling ----------------> calling ------------> joining ------------------> connected
//	       INVITE caller    ACK,            callee   re-INVITE      |      ACK callee, ACK caller
//	         |              INVITE callee     |      the caller     |
//	         | failure, CANCEL                | failure             | the caller refuses
//	         v                                v                     v
//	       ended <------------------ BYE or CANCEL of the other leg ------------------- one leg goes
//
// Once connected, each re-INVITE of a phone is an exchange of its own, see exchange.
type bridge struct {
	side           [numLegs]side
	caller, callee Leg      // which side has the role: a transfer changes it
	target         Leg      // the side that is called in a transfer; numLegs when none is
	replaced       Leg      // the side whose place the target takes
	held           bool     // media was stopped by a Hold
	late           bool     // a leg has answered, and waits for an exchange to end
	failure        *Outcome // of the last transfer; nil when it went well, or there was none
	ex             exchange
}

// side is a leg of a bridge.
type side struct {
	party      *Party
	state      LegState
	offer      Offer
	number     uint8 // of the INVITE, see Invite
	retried    bool  // the INVITE was sent with the other offer too
	cancelling bool  // a CANCEL was asked for
	bye        bool  // our BYE was sent
	owed       bool  // a 2xx has come and has no ACK yet
	media      bool  // the phone has media for us before it answers
}

// calling tells that the INVITE of the leg has no final response.
func (s *side) calling() bool { return s.state > Idle && s.state < Confirmed }

// up tells that the leg stands and is not being hung up.
func (s *side) up() bool { return s.state == Confirmed && !s.bye }

// gone tells that no leg is left.
func (b *bridge) gone() bool {
	for i := range b.side {
		if s := b.side[i].state; s != Idle && s != Terminated {
			return false
		}
	}
	return true
}

// other is the leg with which l talks.
func (b *bridge) other(l Leg) Leg {
	if l == b.caller {
		return b.callee
	}
	return b.caller
}

// role is what a side is called in an outcome.
func (b *bridge) role(l Leg) Leg {
	switch l {
	case b.callee:
		return Callee
	case b.target:
		return Target
	default:
		return Caller
	}
}

// by is the same as a word for Outcome.EndedBy.
func (b *bridge) by(l Leg) string { return [...]string{ByCaller, ByCallee, ByTarget}[b.role(l)] }

// free is the side that has no role.
func (b *bridge) free() Leg { return Caller + Callee + Target - b.caller - b.callee }

// Stays tells whether the controller stays between the parties: INVITE mode, from the
// start or because the phone refused the REFER.
func (c *Call) Stays() bool { return c.Order.Mode == ByStay || c.bridge != nil }

// Parties gives the calling and the called party as they are now: a transfer changes
// them.
func (c *Call) Parties() (caller, callee *Party) {
	if b := c.bridge; b != nil && b.side[b.caller].party != nil && b.side[b.callee].party != nil {
		return b.side[b.caller].party, b.side[b.callee].party
	}
	return &c.Order.Caller, &c.Order.Callee
}

// Dialog is a leg of a call in INVITE mode as it shows.
type Dialog struct {
	Leg   Leg // which side it is; with that it is asked for its name
	Role  Leg // what the side is now: a transfer changes it
	Party *Party
	State LegState
	Held  bool // see Hold
}

// Dialogs gives the legs that live, the calling party first.
func (c *Call) Dialogs() []Dialog {
	b := c.bridge
	if b == nil {
		return nil
	}
	var list []Dialog
	for _, l := range []Leg{b.caller, b.callee, b.target} {
		if l == numLegs {
			continue
		}
		if s := &b.side[l]; s.up() || s.calling() && !s.cancelling {
			list = append(list, Dialog{l, b.role(l), s.party, s.state, b.held && l != b.target})
		}
	}
	return list
}
