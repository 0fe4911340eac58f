package call

// Side is one phone that a call has called, as it stands.
type Side struct {
	Role  Leg    // what the side is now: a transfer changes it
	Party *Party // nil for a side that was never called
	State LegState
	Media bool // it has had media for us before it answered
	Held  bool // see Hold
}

// Sides gives all sides, those that are not called or gone too. The place of a side
// never changes, so that the sides of two moments can be compared.
func (c *Call) Sides() [NumLegs]Side {
	var all [NumLegs]Side
	b := c.bridge
	if b == nil {
		if all[Caller].State = c.CallerLeg; c.CallerLeg != Idle {
			all[Caller].Party, all[Caller].Media = &c.Order.Caller, c.flow.media
		}
		return all
	}
	for l := range Leg(NumLegs) {
		s := &b.side[l]
		state := s.state
		if s.bye || s.cancelling && s.calling() {
			state = Terminated // It only remains to be heard of.
		}
		all[l] = Side{Role: b.role(l), Party: s.party, State: state, Media: s.media, Held: b.held && state == Confirmed && l != b.target}
	}
	return all
}
