package call

// hold stops the media of both legs, beginning with the one that was named: one that
// was told alone would hear nothing, and the other one would still be sent.
func (m *machine) hold(l Leg) {
	b := m.bridge
	to, ok := m.idleLeg(l)
	if !ok || b.held {
		return
	}
	b.held = true
	b.ex = exchange{stage: holding, from: b.other(to), to: to}
	m.do(Reinvite{Leg: to, Body: HeldSDP})
}

// CanHold tells whether a Hold, or with off a Resume, would be taken now.
func (c *Call) CanHold(off bool) bool {
	b := c.bridge
	return b != nil && c.State == Connected && b.ex.stage == none && b.held == off
}

// idleLeg gives the side with that role, when the parties talk and agree on nothing
// else just now.
func (m *machine) idleLeg(role Leg) (Leg, bool) {
	b := m.bridge
	side := b.caller
	if role == Callee {
		side = b.callee
	}
	return side, m.State == Connected && b.ex.stage == none
}

func (m *machine) holdOther() {
	x := m.bridge.ex
	m.bridge.ex = exchange{stage: holdingOther, from: x.to, to: x.from}
	m.do(Reinvite{Leg: x.from, Body: HeldSDP})
}

// resume asks the leg for an offer, and joins it with the other as a new one is.
func (m *machine) resume(l Leg) {
	b := m.bridge
	to, ok := m.idleLeg(l)
	if !ok || !b.held {
		return
	}
	b.ex = exchange{stage: resuming, from: b.other(to), to: to}
	m.do(Reinvite{Leg: to})
}

func (m *machine) resumed(usable bool) {
	to := m.bridge.ex.to
	if !usable {
		m.ack(to, Refusal)
		m.exchangeOver()
		return
	}
	m.bridge.held = false
	m.join(to)
}
