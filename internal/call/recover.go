package call

import "time"

// What a crash leaves (rows X13, X14). A call that was being set up is ended at once, for
// the phones that ring or wait have lost what would put them together; one whose parties
// talk goes on, and so does the wait for what a phone reports of its REFER.

// restarted is what a leg is told that is ended for it.
var restarted = Cause{Status: 503, Text: "Server restarted"}

func (m *machine) referRestored() {
	switch {
	case m.calling():
		m.giveUp(Outcome{Result: Failed, EndedBy: ByServer}, restarted)
	case m.CallerLeg == Confirmed && m.flow.bye:
		m.do(Ack{Leg: Caller})
		m.do(Bye{Caller, restarted})
	case m.State == CallerAnswered && m.flow.subscription == noSubscription:
		m.do(Ack{Leg: Caller})
		m.end(Outcome{Result: Failed, EndedBy: ByServer}, restarted)
	case m.State == Ended || m.State == HandedOff:
		m.legGone()
	default:
		m.awaitAgain()
	}
}

// awaitAgain waits for the reports of a phone that may have our REFER.
func (m *machine) awaitAgain() {
	m.do(Ack{Leg: Caller})
	if m.flow.subscription == referSent {
		m.subscribe()
		return
	}
	if m.State == CallerAnswered || m.State == CallingCallee { // No report has come, or none that says much.
		m.do(StartTimer{Timer: NotifyTimer, After: m.Order.NotifyTimeout})
	}
	m.do(StartTimer{Timer: ReferTimer, After: m.Order.ReferLimit})
	if m.CallerLeg == Confirmed { // It may have told all there is, and have been hung up.
		m.do(Ping{Caller})
	}
}

// referGone ends the wait for a phone that knows nothing of the call any more.
func (m *machine) referGone(e Gone) {
	if m.CallerLeg == Confirmed && m.flow.subscription == subscribed {
		m.end(Outcome{Unknown, Callee, 0, ByServer}, Cause{Status: e.Status})
	}
}

func (m *machine) bridgeRestored(e Restored) {
	b := m.bridge
	cut := b.ex.stage != none
	b.ex, b.late = exchange{}, false
	for l := range numLegs {
		m.endAgain(l)
	}
	if m.State == Transferring {
		m.transferFailed(Outcome{Failed, Target, 0, ByServer})
	}
	switch {
	case m.State == Ended:
	case m.State != Connected || e.Unanswered[b.caller] || e.Unanswered[b.callee]:
		b.side[b.caller].owed, b.side[b.callee].owed = e.Unanswered[b.caller], e.Unanswered[b.callee]
		m.finish(Outcome{Result: Failed, EndedBy: ByServer}, restarted)
	default:
		b.side[b.caller].owed, b.side[b.callee].owed = false, false
		m.goOn(cut, e.Talked)
	}
}

// endAgain sends again what ends a leg, whether it was sent before or not.
func (m *machine) endAgain(l Leg) {
	s := &m.bridge.side[l]
	switch {
	case s.calling() && s.cancelling:
		m.do(Cancel{l, restarted})
	case s.state == Confirmed && s.bye:
		s.owed = true
		m.ack(l, Refusal)
		m.do(Bye{l, restarted})
	}
}

// goOn takes the call up where it was. When the parties were just agreeing on something,
// nobody knows what each of them believes: they are asked anew.
func (m *machine) goOn(cut bool, talked time.Duration) {
	if often := m.Order.KeepAlive; often > 0 { // Not all calls at once.
		m.do(StartTimer{Timer: KeepTimer, After: often / 2, Spread: often / 2})
	}
	if most := m.Order.MaxDuration; most > 0 {
		m.do(StartTimer{Timer: DurationTimer, After: max(most-talked, 0)})
	}
	switch held := m.bridge.held; {
	case cut && held:
		m.bridge.held = false
		m.hold(Caller)
	case cut:
		m.bridge.held = true
		m.resume(Caller)
	}
}

// Tried is a leg as it was called. After the end of the process it is found again by the
// number.
type Tried struct {
	Leg    Leg
	Number uint8
	Offer  Offer
	Party  *Party
	State  LegState
}

// Tried gives the legs that the call has, with what they were called with, those that
// are gone too.
func (c *Call) Tried() []Tried {
	b := c.bridge
	if b == nil {
		if c.CallerLeg == Idle {
			return nil
		}
		return []Tried{{Caller, c.flow.number, c.flow.offer, &c.Order.Caller, c.CallerLeg}}
	}
	var all []Tried
	for l := range numLegs {
		if s := &b.side[l]; s.state != Idle {
			all = append(all, Tried{l, s.number, s.offer, s.party, s.state})
		}
	}
	return all
}

// Matters tells whether what has become of old is to be known after a crash. What a
// phone says on the way, such as 100, is not.
func (c *Call) Matters(old *Call) bool {
	if c.State != old.State || c.legMatters() != old.legMatters() || c.flow.subscription != old.flow.subscription || c.flow.bye != old.flow.bye || c.invites != old.invites || (c.bridge == nil) != (old.bridge == nil) {
		return true
	}
	return c.bridge != nil && c.bridge.matters() != old.bridge.matters()
}

// legMatters leaves out how far a leg is that has not answered.
func (c *Call) legMatters() LegState { return roughly(c.CallerLeg) }

func roughly(s LegState) LegState {
	if s > Idle && s < Confirmed {
		return Trying
	}
	return s
}

// essence is what of a bridge matters.
type essence struct {
	state                            [numLegs]LegState
	bye, cancelling                  [numLegs]bool
	caller, callee, target, replaced Leg
	held                             bool
}

func (b *bridge) matters() essence {
	e := essence{caller: b.caller, callee: b.callee, target: b.target, replaced: b.replaced, held: b.held}
	for i := range b.side {
		s := &b.side[i]
		e.state[i], e.bye[i], e.cancelling[i] = roughly(s.state), s.bye, s.cancelling
	}
	return e
}
