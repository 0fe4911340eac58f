package call

// exchange is the one offer and answer that is under way between the legs.
//
//	        callee's 2xx           2xx             (connected)
//	joining ------------> joining ----> none
//	                       | 491 ^ 2.1 to 4 s
//	                       v     |
//	                        glare
//	        re-INVITE                     2xx or refusal
//	none -----------------> passing ---------------------> none
//	        without SDP              2xx             ACK
//	none -----------------> asking -----> answering -----> none
type exchange struct {
	stage   stage
	update  bool
	early   bool // the offer came in a reliable provisional response
	from    Leg  // whose phone made the offer, or asked for one
	to      Leg  // which was sent our re-INVITE
	request Request
}

// stage is how far an exchange is.
type stage uint8

const (
	none         stage = iota
	joining            // the offer of a new leg was sent to the one that stands
	glare              // that one was sending a re-INVITE of its own: it is tried again
	settling           // the leg that was called with an old offer is told the other's answer
	refreshing         // a phone was told the same once more, for its session timer
	holding            // the first leg was told to stop
	holdingOther       // and the other one
	resuming           // a held leg was asked for an offer
	passing            // the offer of a phone was sent to the other
	asking             // a phone asked for an offer: so was the other
	answering          // the other's offer was sent in our 2xx: the answer comes in the ACK
	interrupted        // what was under way when the process ended, see Restored
)

// peerOf is the leg whose SDP goes to l.
func (x *exchange) peerOf(l Leg) Leg {
	if l == x.from {
		return x.to
	}
	return x.from
}

// join offers what the phone of leg from said to the leg that is to talk with it.
func (m *machine) join(from Leg) {
	to := m.bridge.other(from)
	if from == m.bridge.target {
		to = m.bridge.other(m.bridge.replaced)
	}
	m.bridge.ex = exchange{from: from, to: to}
	m.offer()
}

// offer sends the offer of a new leg to the one that stands.
func (m *machine) offer() {
	x := &m.bridge.ex
	x.stage = joining
	m.do(Reinvite{Leg: x.to, Body: PeerSDP, From: x.from})
}

// earlyOffer takes the offer of a reliable provisional response. That of the called
// party is passed on at once, so that the calling one hears what a gateway says before
// it answers (RFC 3725 section 8, row F21); a target waits until it has answered.
func (m *machine) earlyOffer(e Progress) {
	b := m.bridge
	switch {
	case e.Leg == b.caller:
		m.do(Prack{Leg: e.Leg, Body: SinkAnswer})
	case e.Leg != b.callee || b.side[e.Leg].cancelling || b.side[e.Leg].offer != OfferNone || b.ex.stage != none || e.Offer != GoodSDP:
		m.do(Prack{Leg: e.Leg, Body: Refusal})
	default:
		b.ex = exchange{early: true, from: e.Leg, to: b.caller}
		m.offer()
	}
}

// earlyAgreed takes the answer to an early offer. The 2xx may have come before it.
func (m *machine) earlyAgreed() {
	x := m.bridge.ex
	m.do(Prack{Leg: x.from, Body: PeerSDP, From: x.to})
	m.ack(x.to, NoBody)
	answered := m.bridge.side[x.from].owed && !m.bridge.late
	m.exchangeOver()
	if answered {
		m.ack(x.from, NoBody)
		m.joined(x.from)
	}
}

// renegotiated takes the final response to our re-INVITE.
func (m *machine) renegotiated(e Renegotiated) {
	x, s := &m.bridge.ex, &m.bridge.side[e.Leg]
	s.owed = e.Status < 300 && s.state == Confirmed
	switch {
	case !s.up() || x.to != e.Leg || x.stage == none || x.stage == glare || x.stage == answering:
		m.ack(e.Leg, Refusal) // It comes too late: the leg is being hung up.
	case e.Status < 300:
		m.agreed(e)
	default:
		m.disagreed(e)
	}
}

func (m *machine) agreed(e Renegotiated) {
	x := m.bridge.ex
	usable := e.SDP == GoodSDP || e.SDP == DeadSDP
	switch x.stage {
	case none, glare, answering, interrupted: // Kept out by renegotiated.
	case joining:
		m.joinAgreed(e, usable)
	case settling, refreshing, holdingOther:
		m.ack(x.to, NoBody)
		m.exchangeOver()
	case holding:
		m.ack(x.to, NoBody)
		m.holdOther()
	case resuming:
		m.resumed(usable)
	case passing:
		m.ack(x.to, NoBody)
		m.reply(usable)
		m.exchangeOver()
	case asking:
		m.reply(usable)
		if usable {
			m.bridge.ex.stage = answering
			return
		}
		m.ack(x.to, Refusal)
		m.exchangeOver()
	}
}

// joinAgreed takes the answer of the leg that stood to the offer of the new one, in
// the order of RFC 3725 section 4.4: the answer goes into the ACK of the new leg.
func (m *machine) joinAgreed(e Renegotiated, usable bool) {
	x := m.bridge.ex
	if x.early && e.SDP == GoodSDP {
		m.earlyAgreed()
		return
	}
	acked := !x.early && !m.bridge.side[x.from].owed
	if usable && !x.early {
		m.ack(x.from, PeerSDP)
	}
	m.ack(x.to, NoBody)
	if e.SDP != GoodSDP { // Row F10: no stream is left.
		m.joinFailed(Outcome{Failed, m.bridge.role(e.Leg), 488, m.bridge.by(e.Leg)}, Cause{Status: 488})
		return
	}
	if acked { // Row F06: it knows an older description of the other phone only.
		m.bridge.ex = exchange{stage: settling, from: x.to, to: x.from}
		m.do(Reinvite{Leg: x.from, Body: PeerSDP, From: x.to})
	}
	m.joined(x.from)
	if !acked {
		m.exchangeOver()
	}
}

func (m *machine) joined(from Leg) {
	if from == m.bridge.target {
		m.transferred()
		return
	}
	first := m.State != Connected
	m.State = Connected
	m.keepAlive()
	if first && m.Order.MaxDuration > 0 {
		m.do(StartTimer{Timer: DurationTimer, After: m.Order.MaxDuration})
	}
}

// joinFailed ends the call, or only the transfer or the attempt to resume.
func (m *machine) joinFailed(o Outcome, c Cause) {
	if m.State == Connected { // They were on hold, and stay so.
		m.ack(m.bridge.ex.from, Refusal)
		m.bridge.held = true
		m.keepAlive()
		m.exchangeOver()
		return
	}
	if m.bridge.ex.from == m.bridge.target {
		m.transferFailed(o)
		return
	}
	m.finish(o, c)
}

// dead tells the statuses after which a dialog is no more (RFC 5057 section 5.1).
func dead(status int) bool { return status == 408 || status == 481 }

func (m *machine) disagreed(e Renegotiated) {
	b, x := m.bridge, m.bridge.ex
	o := Outcome{resultOf(e.Status), b.role(e.Leg), e.Status, b.by(e.Leg)}
	o.Result = Failed
	switch {
	case dead(e.Status):
		m.finish(o, Cause{Status: e.Status})
	case x.stage == joining && e.Status == 491:
		m.bridge.ex.stage = glare
		m.do(StartTimer{Timer: GlareTimer, After: glareWait, Spread: glareSpread})
	case x.stage == joining:
		m.joinFailed(o, Cause{e.Status, clip(fragPhrase(e.Line), maxCauseText)})
	default:
		if x.stage == holding {
			b.held = false
		}
		if x.stage == passing || x.stage == asking {
			m.do(Respond{Leg: x.from, Request: x.request, Status: passBack(e.Status)})
		}
		m.exchangeOver()
	}
}

// passBack is the status with which a phone's re-INVITE is refused when the other
// phone refused it: what says something about the way there is of no use here.
func passBack(status int) int {
	if status < 400 || status == 401 || status == 407 {
		return 488
	}
	return status
}

// reply answers the request of the exchange with what the other phone said.
func (m *machine) reply(usable bool) {
	x := m.bridge.ex
	r := Respond{Leg: x.from, Request: x.request, Status: 488}
	if usable {
		r.Status, r.Body, r.From = 200, PeerSDP, x.to
	}
	m.do(r)
}

// exchangeOver makes room for the next exchange.
func (m *machine) exchangeOver() {
	m.bridge.ex = exchange{}
	if !m.bridge.late {
		return
	}
	m.bridge.late = false
	if m.bridge.target != numLegs {
		m.join(m.bridge.target)
		return
	}
	m.join(m.bridge.callee)
}

// abortExchange answers the request that waits for an exchange which will not end
// any more (RFC 3261 section 15.1.2).
func (m *machine) abortExchange() {
	x := m.bridge.ex
	if x.stage == passing || x.stage == asking {
		m.do(Respond{Leg: x.from, Request: x.request, Status: 487})
	}
	if x.stage == glare {
		m.do(StopTimer{GlareTimer})
	}
	if x.early {
		m.do(Prack{Leg: x.from, Body: Refusal})
	}
	m.bridge.ex = exchange{}
}

// reoffered takes a re-INVITE or UPDATE of a phone.
func (m *machine) reoffered(e Reinvited) {
	r := Respond{Leg: e.Leg, Request: e.Request, Status: m.refuse(e)}
	switch {
	case r.Status != 0:
		m.do(r)
	case e.isRefresh():
		r.Status = 200
		m.do(r)
	default:
		m.pass(e)
	}
}

// isRefresh tells an UPDATE that changes the remote target at most (RFC 3311).
func (e Reinvited) isRefresh() bool { return e.Update && e.SDP == NoSDP }

// refuse gives the status with which a phone's offer is refused; 0 for one that is
// passed on.
func (m *machine) refuse(e Reinvited) int {
	b, s := m.bridge, &m.bridge.side[e.Leg]
	switch {
	case !s.up() && !s.calling():
		return 481
	case e.isRefresh():
		return 0
	case m.State != Connected && m.State != Transferring || e.Leg == b.target:
		return 491 // Row F13.
	case (b.ex.stage == passing || b.ex.stage == asking) && b.ex.from == e.Leg:
		return 500 // RFC 3261 section 14.2, row F14.
	case b.ex.stage != none:
		return 491
	case e.SDP == BadSDP:
		return 488
	default:
		return 0
	}
}

// pass sends what a phone offers, or that it asks for an offer, to the other.
func (m *machine) pass(e Reinvited) {
	to := m.bridge.other(e.Leg)
	m.bridge.held = false // What the person at the phone wants counts.
	m.bridge.ex = exchange{stage: passing, update: e.Update, from: e.Leg, to: to, request: e.Request}
	r := Reinvite{Leg: to, Body: PeerSDP, From: e.Leg, Request: e.Request}
	if e.SDP == NoSDP {
		m.bridge.ex.stage, r = asking, Reinvite{Leg: to}
	}
	m.do(r)
}

// refresh sends a re-INVITE that changes nothing, unless something is under way: then
// it comes again.
func (m *machine) refresh(l Leg) {
	b := m.bridge
	talks := m.State == Connected || m.State == Transferring
	if talks && l != b.target && b.side[l].up() && b.ex.stage == none {
		b.ex = exchange{stage: refreshing, from: b.other(l), to: l}
		m.do(Reinvite{Leg: l, Body: SameSDP})
	}
}

// informed passes an INFO on to the phone that the leg's phone talks with.
func (m *machine) informed(e Informed) {
	b := m.bridge
	talks := (m.State == Connected || m.State == Transferring) && e.Leg != b.target
	switch {
	case !b.side[e.Leg].up() && !b.side[e.Leg].calling():
		m.do(Respond{Leg: e.Leg, Request: e.Request, Status: 481})
	case !talks:
		m.do(Respond{Leg: e.Leg, Request: e.Request, Status: 415})
	default:
		m.do(Forward{Leg: b.other(e.Leg), From: e.Leg, Request: e.Request})
	}
}

// acked takes the answer in the ACK of a phone that had asked for an offer.
func (m *machine) acked(e Acked) {
	x := m.bridge.ex
	if x.stage != answering || x.from != e.Leg {
		return
	}
	if e.SDP == NoSDP || e.SDP == BadSDP {
		m.finish(Outcome{Failed, m.bridge.role(e.Leg), 488, ByServer}, Cause{Status: 488})
		return
	}
	m.ack(x.to, PeerSDP)
	m.exchangeOver()
}
