package call

// transfer calls the target, while the parties go on talking (CONTRACT 3.8, rows M01
// to M03): only when the target and the party that stays are joined is the other one
// hung up. A target that does not answer changes nothing.
func (m *machine) transfer(e Transfer) {
	b := m.bridge
	free := b.free()
	if s := b.side[free].state; m.State != Connected || s != Idle && s != Terminated {
		return
	}
	b.target, b.replaced, b.failure = free, b.caller, nil
	if e.Leg == Callee {
		b.replaced = b.callee
	}
	m.State = Transferring
	m.callLeg(free, side{party: e.Target, offer: OfferNone})
}

// CanTransfer tells whether a Transfer would be taken now.
func (c *Call) CanTransfer() bool {
	if c.bridge == nil || c.State != Connected {
		return false
	}
	s := c.bridge.side[c.bridge.free()].state
	return s == Idle || s == Terminated
}

func (m *machine) targetAnswered(sdp SDP) {
	switch {
	case sdp != GoodSDP:
		m.transferFailed(Outcome{Failed, Target, 488, ByServer})
	case m.bridge.ex.stage != none:
		m.bridge.late = true // The parties are just agreeing on something else.
	default:
		m.join(m.bridge.target)
	}
}

// transferred puts the target in the place of the leg that it replaces.
func (m *machine) transferred() {
	b := m.bridge
	gone := b.replaced
	if gone == b.caller {
		b.caller = b.target
	} else {
		b.callee = b.target
	}
	b.target, b.held = numLegs, false
	m.State = Connected
	m.keepAlive()
	m.drop(gone, Cause{Status: 200, Text: "Transferred"})
}

// transferFailed lets go of the target: the parties talk as before.
func (m *machine) transferFailed(o Outcome) {
	b := m.bridge
	if m.State != Transferring {
		return
	}
	if b.ex.from == b.target && b.ex.stage != none {
		m.abortExchange()
	}
	m.do(StopTimer{RingTimer})
	m.keepAlive()
	m.drop(b.target, Cause{Status: o.SIPCode})
	b.target, b.late, b.failure = numLegs, false, &o
	m.State = Connected
}

// Transferral tells how far a transfer is.
type Transferral struct {
	Target   *Party   // nil when none is under way
	Replaced Leg      // Caller or Callee
	Ringing  bool     // the target's phone rings, or has been picked up
	Failure  *Outcome // of the last one; nil when it went well, or there was none
}

// Took tells whether the Transfer with that very target has had its turn: that it was
// posted does not say so.
func (c *Call) Took(target *Party) bool {
	if c.bridge == nil {
		return false
	}
	for i := range c.bridge.side {
		if c.bridge.side[i].party == target {
			return true
		}
	}
	return false
}

// Transferral tells how far the last transfer is.
func (c *Call) Transferral() Transferral {
	b := c.bridge
	if b == nil {
		return Transferral{}
	}
	t := Transferral{Failure: b.failure}
	if b.target != numLegs {
		s := &b.side[b.target]
		t.Target, t.Replaced, t.Ringing = s.party, b.role(b.replaced), s.state >= Early
	}
	return t
}
