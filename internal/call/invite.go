package call

import "time"

// The wait before a re-INVITE is tried again that met one of the phone: the
// controller owns the Call-ID of both legs (RFC 3261 section 14.1).
const (
	glareWait   = 2100 * time.Millisecond
	glareSpread = 1900 * time.Millisecond
)

func (m *machine) invite(e Event) {
	m.own()
	switch e := e.(type) {
	case Start:
		m.stayStart()
	case Progress:
		m.legProgress(e)
	case Answered:
		m.legAnswered(e)
	case Rejected:
		m.legFailed(e.Response, m.bridge.by(e.Leg))
	case SendFailed:
		m.legFailed(e.Response, ByServer)
	case Renegotiated:
		m.renegotiated(e)
	case Reinvited, Acked, Informed, Notified, HungUp:
		m.asked(e)
	case Released:
		m.legReleased(e.Leg)
	case Lost:
		m.legLost(e.Leg)
	case Gone:
		m.gone(e)
	case RefreshDue:
		m.refresh(e.Leg)
	case TimerFired:
		m.bridgeTimer(e.Timer)
	case Hold, Resume, Transfer, Hangup:
		m.wished(e)
	case Restored:
		m.bridgeRestored(e)
	}
}

// asked takes what a phone sends inside a dialog.
func (m *machine) asked(e Event) {
	switch e := e.(type) {
	case Reinvited:
		m.reoffered(e)
	case Acked:
		m.acked(e)
	case Informed:
		m.informed(e)
	case Notified:
		m.do(Respond{Leg: e.Leg, Request: e.Request, Status: 481})
	case HungUp:
		m.legHungUp(e)
	}
}

// wished takes what a user wants.
func (m *machine) wished(e Event) {
	switch e := e.(type) {
	case Hold:
		m.hold(e.Leg)
	case Resume:
		m.resume(e.Leg)
	case Transfer:
		m.transfer(e)
	case Hangup:
		m.stayHangup(e.By)
	}
}

// own makes the step's own copy of the bridge: what was published stays as it is.
func (m *machine) own() {
	b := bridge{callee: Callee, target: numLegs}
	if m.bridge != nil {
		b = *m.bridge
	}
	m.bridge = &b
}

func (m *machine) stayStart() {
	if m.State != Queued {
		return
	}
	m.State = CallingCaller
	offer := m.flow.offer
	if m.Order.Automatic {
		offer = OfferNone
	}
	m.callLeg(Caller, side{party: &m.Order.Caller, offer: offer})
}

// callLeg calls the party of a side.
func (m *machine) callLeg(l Leg, s side) {
	m.invites++
	s.state, s.number = Trying, m.invites
	m.bridge.side[l] = s
	m.do(StartTimer{Timer: RingTimer, After: m.Order.ringFor(l)})
	m.do(Invite{Leg: l, Number: s.number, Offer: s.offer, To: s.party, From: m.bridge.other(l)})
}

// callCallee calls the called party without SDP: its phone makes the offer (RFC
// 3725 section 4.4).
func (m *machine) callCallee() {
	m.State = CallingCallee
	m.callLeg(m.bridge.callee, side{party: &m.Order.Callee, offer: OfferNone})
}

// canFallBack tells whether a refused REFER turns the call into one of INVITE mode.
func (m *machine) canFallBack(status int) bool {
	never := status == 405 || status == 420 || status == 501 || status == 603
	return never && m.Order.Fallback && m.State == CallerAnswered && m.CallerLeg == Confirmed
}

// fallBack goes on in INVITE mode with the leg that has been answered.
func (m *machine) fallBack() {
	m.flow.subscription = concluded
	m.own()
	m.bridge.side[Caller] = side{party: &m.Order.Caller, state: Confirmed, offer: m.flow.offer, number: m.flow.number}
	m.callCallee()
}

func (m *machine) legProgress(e Progress) {
	r := e.Response
	s := &m.bridge.side[r.Leg]
	if !s.calling() {
		return
	}
	switch {
	case r.Status >= 200: // A challenge: the INVITE starts again.
		s.state = Trying
		return
	case r.Status == 100:
		s.state = max(s.state, Proceeding)
	default:
		s.state, s.media = Early, s.media || e.Media
		m.ringing(r.Leg)
	}
	m.fallbackRow(r)
	if e.Offer != NoSDP {
		m.earlyOffer(e)
	}
}

func (m *machine) ringing(l Leg) {
	switch {
	case m.State == CallingCaller && l == m.bridge.caller:
		m.State = CallerRinging
	case m.State == CallingCallee && l == m.bridge.callee:
		m.State = CalleeRinging
	}
}

// fallbackRow tells clients of REFER mode of the called party's leg in the form in
// which they would have heard of it.
func (m *machine) fallbackRow(r Response) {
	if m.Order.Mode == ByRefer && r.Leg == Callee && m.State != Ended {
		m.notifyRow(r)
	}
}

func (m *machine) legAnswered(e Answered) {
	b, s := m.bridge, &m.bridge.side[e.Leg]
	if !s.calling() {
		return
	}
	m.fallbackRow(e.Response)
	s.state, s.owed = Confirmed, true
	if s.cancelling {
		// The 2xx crossed our CANCEL (RFC 3261 section 15, RFC 5407 section 3.1.2).
		m.drop(e.Leg, Cause{Status: 487})
		return
	}
	m.do(StopTimer{RingTimer})
	switch e.Leg {
	case b.target:
		m.targetAnswered(e.SDP)
	case b.callee:
		m.calleeAnswered(e)
	default:
		m.callerAnswered(e.SDP)
	}
}

// callerAnswered goes on to the called party: with the calling party's offer when that
// one answers at once (RFC 3725 section 4.1), so that the ACK waits no longer than it
// would for a re-INVITE; else without SDP (section 4.4).
func (m *machine) callerAnswered(sdp SDP) {
	if m.Order.Automatic && sdp == GoodSDP && m.bridge.side[m.bridge.caller].offer == OfferNone {
		m.State = CallingCallee
		m.callLeg(m.bridge.callee, side{party: &m.Order.Callee, offer: OfferPeer, retried: true})
		return
	}
	m.ack(m.bridge.caller, NoBody)
	m.callCallee()
}

func (m *machine) calleeAnswered(e Answered) {
	b := m.bridge
	switch {
	case e.Settled: // Row F21: both have talked about media already.
		m.ack(e.Leg, NoBody)
		m.joined(e.Leg)
	case b.ex.stage != none && e.SDP == NoSDP: // Its offer is with the other leg still.
	case b.ex.stage != none:
		b.late = true // It comes from another fork than the early offer.
	case e.SDP != GoodSDP: // Row F19.
		m.finish(Outcome{Failed, Callee, 488, ByServer}, Cause{Status: 488})
	case b.side[b.caller].owed: // Flow I: the answer goes back as it came.
		m.ack(e.Leg, NoBody)
		b.ex = exchange{from: b.caller, to: e.Leg}
		m.ack(b.caller, PeerSDP)
		b.ex = exchange{}
		m.joined(e.Leg)
	case m.bridge.side[e.Leg].offer == OfferPeer:
		m.ack(e.Leg, NoBody)
		m.join(e.Leg)
	default:
		m.join(e.Leg)
	}
}

// ack acknowledges the leg's 2xx, if that is still owed.
func (m *machine) ack(l Leg, b Body) {
	s := &m.bridge.side[l]
	if !s.owed {
		return
	}
	s.owed = false
	a := Ack{Leg: l, Body: b}
	if b == PeerSDP {
		a.From = m.bridge.ex.peerOf(l)
	}
	m.do(a)
}

// keepAlive starts the wait for the next question to both phones. A transfer, which
// asks one of them something anyway, puts it off.
func (m *machine) keepAlive() {
	if m.Order.KeepAlive > 0 {
		m.do(StartTimer{Timer: KeepTimer, After: m.Order.KeepAlive})
	}
}

func (m *machine) bridgeTimer(t Timer) {
	b := m.bridge
	switch {
	case m.State == Ended:
	case t == GlareTimer && b.ex.stage == glare:
		m.offer()
	case t == KeepTimer && m.State == Connected:
		m.do(Ping{b.caller})
		m.do(Ping{b.callee})
		m.keepAlive()
	case t == DurationTimer:
		m.finish(Outcome{Result: Completed, SIPCode: 200, EndedBy: ByServer}, Cause{})
	case t == RingTimer && b.target != numLegs && b.side[b.target].calling():
		m.transferFailed(Outcome{NoAnswer, Target, 408, ByServer})
	case t == RingTimer && b.side[b.callee].calling():
		m.finish(Outcome{NoAnswer, Callee, 0, ByServer}, Cause{Status: 408})
	case t == RingTimer && b.side[b.caller].calling():
		m.finish(Outcome{NoAnswer, Caller, 0, ByServer}, Cause{Status: 408})
	}
}
