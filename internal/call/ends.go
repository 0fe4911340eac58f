package call

// legFailed takes the end of a leg's INVITE without a 2xx.
func (m *machine) legFailed(r Response, by string) {
	s := &m.bridge.side[r.Leg]
	if !s.calling() {
		return
	}
	m.fallbackRow(r)
	m.do(Release{r.Leg})
	if by != ByServer && m.retryLeg(r.Leg, r.Status) {
		return
	}
	s.state = Terminated
	o := Outcome{resultOf(r.Status), m.bridge.role(r.Leg), r.Status, by}
	if by == ByServer {
		o.Result = Unreachable
		if r.Status == 408 {
			o.Result = TimedOut
		}
	}
	switch r.Leg {
	case m.bridge.target:
		m.transferFailed(o)
	case m.bridge.caller, m.bridge.callee:
		m.finish(o, Cause{r.Status, clip(fragPhrase(r.Line), maxCauseText)})
	default: // A target that was given up: the parties talk.
	}
}

// retryLeg calls once more when the phone did not like the offer: the calling party
// with the other form (row F02), the called party with what the calling party's
// phone answered last (row F06).
func (m *machine) retryLeg(l Leg, status int) bool {
	s := m.bridge.side[l]
	if s.retried || s.cancelling || m.State == Ended {
		return false
	}
	disliked := status == 488 || status == 606 || status == 415
	switch {
	case l == m.bridge.caller && disliked:
		s.offer = s.offer.other()
		m.flow.offer = s.offer
		m.State = CallingCaller
	case l == m.bridge.callee && (disliked || status == 400):
		s.offer = OfferPeer
		m.State = CallingCallee
	default:
		return false
	}
	s.retried = true
	m.callLeg(l, s)
	return true
}

func (m *machine) legHungUp(e HungUp) {
	s := &m.bridge.side[e.Leg]
	if s.state != Confirmed {
		m.do(Respond{Leg: e.Leg, Request: e.Request, Status: 481})
		return
	}
	m.do(Respond{Leg: e.Leg, Request: e.Request, Status: 200})
	m.ack(e.Leg, Refusal) // Else it would repeat its 2xx for 32 s.
	s.state = Terminated
	m.do(Release{e.Leg})
	switch {
	case m.State == Ended || e.Leg != m.bridge.caller && e.Leg != m.bridge.callee && e.Leg != m.bridge.target:
	case e.Leg == m.bridge.target:
		m.transferFailed(Outcome{Cancelled, Target, 0, ByTarget})
	case m.State == Connected || m.State == Transferring:
		m.finish(Outcome{Result: Completed, SIPCode: 200, EndedBy: m.bridge.by(e.Leg)}, Cause{})
	default:
		m.finish(Outcome{Cancelled, m.bridge.role(e.Leg), 0, m.bridge.by(e.Leg)}, Cause{Status: 487})
	}
}

func (m *machine) legReleased(l Leg) {
	if s := &m.bridge.side[l]; s.state == Confirmed && s.bye {
		s.state = Terminated
		m.do(Release{l})
	}
}

// legLost ends a call one of whose legs the adapter had to end.
func (m *machine) legLost(l Leg) {
	s := &m.bridge.side[l]
	if s.state != Confirmed {
		return
	}
	m.ack(l, Refusal)
	s.state = Terminated
	m.do(Release{l})
	if l == m.bridge.caller || l == m.bridge.callee {
		m.finish(Outcome{Failed, m.bridge.role(l), 408, ByServer}, Cause{Status: 408})
	}
}

// gone ends a call one of whose phones has gone without a BYE (RFC 5057 section 5.1).
// It gets ours all the same (RFC 3261 section 12.2.1.2).
func (m *machine) gone(e Gone) {
	if b := m.bridge; b.side[e.Leg].up() && (e.Leg == b.caller || e.Leg == b.callee) {
		m.finish(Outcome{Failed, b.role(e.Leg), e.Status, ByServer}, Cause{Status: e.Status})
	}
}

func (m *machine) stayHangup(by string) {
	if m.State == Connected || m.State == Transferring {
		m.finish(Outcome{Result: Completed, SIPCode: 200, EndedBy: by}, Cause{})
		return
	}
	m.finish(Outcome{Result: Cancelled, EndedBy: by}, Cause{Status: 487})
}

// finish ends the call: what waits is answered, and every leg that is left goes at
// once, with the cause.
func (m *machine) finish(o Outcome, c Cause) {
	if m.State == Ended {
		return
	}
	m.Outcome, m.State = o, Ended
	m.do(StopTimer{RingTimer})
	m.do(StopTimer{DurationTimer})
	m.abortExchange()
	for l := range numLegs {
		m.drop(l, c)
	}
}

// drop hangs up a leg, or gives its INVITE up.
func (m *machine) drop(l Leg, c Cause) {
	s := &m.bridge.side[l]
	switch {
	case s.calling() && !s.cancelling:
		s.cancelling = true
		m.do(Cancel{l, c})
	case s.up():
		m.ack(l, Refusal)
		s.bye = true
		m.do(Bye{l, c})
	}
}
