package call

// referFlow is REFER mode (RFC 3515, RFC 5589 section 6; CONTRACT section 6): the
// calling party's phone is called, told by REFER to call the called party, and
// hung up when it has reported the final outcome, never before: phones that are
// left earlier report a false failure or hang up the new call.
//
//	            Start            2xx                2xx to REFER, or NOTIFY
//	queued ------------> calling ---> answered -------------------> calling callee
//	        INVITE         |     ACK, REFER    |                       |
//	                       |                   | REFER refused         | final sipfrag
//	       CANCEL, failure |                   | or unanswered         | or a limit
//	                       v                   v                       v
//	                     ended <------------ BYE <---------------- handed off
type referFlow struct {
	pending      *Outcome // what the call ends with when the CANCEL has worked; nil when none was asked for
	subscription subscription
	offer        Offer
	number       uint8 // of the INVITE, see Invite
	retried      bool  // the INVITE was sent with the other offer too
	bye          bool  // our BYE was sent
	noRefer      bool  // the phone refuses REFER, see Order.Fallback
	media        bool  // the phone has media for us before it answers
}

// maxCauseText bounds what of a phone's text goes into a Reason field, in bytes.
const maxCauseText = 128

func (m *machine) refer(e Event) {
	switch e := e.(type) {
	case Start:
		m.start()
	case Calling:
		m.callingNow(e)
	case Progress:
		m.progress(e)
	case Answered:
		m.answered(e)
	case Rejected:
		m.rejected(e)
	case SendFailed:
		m.sendFailed(e)
	case Referred:
		m.referred(e)
	case Notified:
		m.notified(e)
	case Reinvited:
		m.reinvited(e)
	case Informed:
		m.do(Respond{Leg: Caller, Request: e.Request, Status: 415}) // It talks with nobody but the sink.
	case HungUp:
		m.hungUp(e)
	case Released:
		m.released()
	case Lost:
		m.lost()
	case TimerFired:
		m.timerFired(e)
	case Hangup:
		m.hangup(e)
	case Restored:
		m.referRestored()
	case Gone:
		m.referGone(e)
	}
}

// calling tells that the INVITE of the caller's leg has no final response.
func (m *machine) calling() bool {
	return m.State == CallingCaller || m.State == CallerRinging
}

func (m *machine) start() {
	if m.State != Queued {
		return
	}
	m.State, m.CallerLeg = CallingCaller, Trying
	m.do(StartTimer{Timer: RingTimer, After: m.Order.RingTimeout})
	m.callCaller()
}

func (m *machine) callCaller() {
	m.invites++
	m.flow.number = m.invites
	m.do(Invite{Leg: Caller, Number: m.invites, Offer: m.flow.offer})
}

// callingNow writes the row that old clients want to see at once: one that finds an
// empty list stops asking (CONTRACT 9.2, row R03).
func (m *machine) callingNow(e Calling) {
	if m.Order.FirstRow && m.calling() && len(m.Rows) == 0 {
		m.inviteRow(e.Response)
	}
}

func (m *machine) progress(e Progress) {
	if !m.calling() {
		return
	}
	m.inviteRow(e.Response)
	if e.Offer != NoSDP {
		m.do(Prack{Leg: Caller, Body: SinkAnswer})
	}
	switch {
	case e.Status >= 200: // A challenge: the INVITE starts again.
	case e.Status == 100:
		if m.CallerLeg == Trying {
			m.CallerLeg = Proceeding
		}
	default:
		m.State, m.CallerLeg = CallerRinging, Early
		m.flow.media = m.flow.media || e.Media
	}
}

func (m *machine) answered(e Answered) {
	if !m.calling() {
		return
	}
	m.inviteRow(e.Response)
	m.do(StopTimer{RingTimer})
	m.CallerLeg = Confirmed
	m.do(Ack{Leg: Caller})
	if o := m.flow.pending; o != nil {
		// The 2xx crossed our CANCEL (RFC 3261 section 15, RFC 5407 section 3.1.2).
		m.end(Outcome{Result: Cancelled, EndedBy: o.EndedBy}, Cause{Status: 487})
		return
	}
	m.State = CallerAnswered
	if m.flow.noRefer {
		m.fallBack()
		return
	}
	if e.Routed && m.Order.ReferDelay > 0 {
		// A proxy that handles messages in parallel may let the REFER overtake the
		// ACK, and a phone that gets them so reports a success that there was not.
		m.do(StartTimer{Timer: SettleTimer, After: m.Order.ReferDelay})
		return
	}
	m.sendRefer()
}

// sendRefer sends the REFER, unless the leg has gone meanwhile.
func (m *machine) sendRefer() {
	if m.State != CallerAnswered || m.CallerLeg != Confirmed || m.flow.subscription != noSubscription {
		return
	}
	m.flow.subscription = referSent
	m.do(Refer{Caller})
}

func (m *machine) rejected(e Rejected) {
	if !m.calling() {
		return
	}
	m.inviteRow(e.Response)
	if m.retryOtherOffer(e.Status) {
		return
	}
	m.inviteOver(Outcome{resultOf(e.Status), Caller, e.Status, ByCaller})
}

// retryOtherOffer calls once more when the phone did not like the offer: without
// SDP, so that the phone makes the offer, or with it when the call began without
// (row F02).
func (m *machine) retryOtherOffer(status int) bool {
	disliked := status == 488 || status == 606 || status == 415
	if !disliked || m.flow.pending != nil || m.flow.retried {
		return false
	}
	m.flow.offer, m.flow.retried = m.flow.offer.other(), true
	m.State, m.CallerLeg = CallingCaller, Trying
	m.do(Release{Caller})
	m.callCaller()
	return true
}

func (m *machine) sendFailed(e SendFailed) {
	if !m.calling() {
		return
	}
	m.inviteRow(e.Response)
	result := Unreachable
	if e.Status == 408 {
		result = TimedOut
	}
	m.inviteOver(Outcome{result, Caller, e.Status, ByServer})
}

// inviteOver ends a call whose caller's leg never stood.
func (m *machine) inviteOver(o Outcome) {
	m.do(StopTimer{RingTimer})
	m.CallerLeg = Terminated
	if m.flow.pending != nil {
		o = *m.flow.pending
	}
	m.end(o, Cause{})
}

// handOff ends the caller's leg with us: the parties talk to each other.
func (m *machine) handOff() {
	m.conclude()
	m.Outcome = Outcome{Result: Completed, SIPCode: 200, EndedBy: ByServer}
	m.State = HandedOff
	if m.CallerLeg == Confirmed {
		m.hangLegUp(Cause{})
		return
	}
	m.legGone()
}

// end ends the call, and hangs the caller's leg up if it stands.
func (m *machine) end(o Outcome, c Cause) {
	m.conclude()
	m.Outcome, m.State = o, Ended
	if m.CallerLeg == Confirmed {
		m.hangLegUp(c)
		return
	}
	m.legGone()
}

func (m *machine) hangLegUp(c Cause) {
	if m.flow.bye {
		return
	}
	m.flow.bye = true
	m.do(Bye{Caller, c})
}

// released takes the end of our BYE, unless a BYE of the phone crossed it.
func (m *machine) released() {
	if m.CallerLeg == Confirmed && m.flow.bye {
		m.legGone()
	}
}

// legGone notes that the caller's leg is no more, and lets go of it when no report
// is awaited: a subscription outlives the BYE (RFC 5057 section 4.1, row T17).
func (m *machine) legGone() {
	m.CallerLeg = Terminated
	if m.State == HandedOff {
		m.State = Ended
	}
	if m.State == Ended {
		m.do(Release{Caller})
	}
}

func (m *machine) reinvited(e Reinvited) {
	switch {
	case e.isRefresh() && m.CallerLeg != Terminated && !m.flow.bye:
		m.do(Respond{Leg: Caller, Request: e.Request, Status: 200})
	case m.CallerLeg == Confirmed && !m.flow.bye:
		m.do(Respond{Leg: Caller, Request: e.Request, Status: 200, Body: SinkAnswer})
	case m.CallerLeg == Confirmed, m.CallerLeg == Terminated:
		m.do(Respond{Leg: Caller, Request: e.Request, Status: 481})
	default:
		m.do(Respond{Leg: Caller, Request: e.Request, Status: 491})
	}
}

func (m *machine) hungUp(e HungUp) {
	if m.CallerLeg != Confirmed {
		m.do(Respond{Leg: Caller, Request: e.Request, Status: 481})
		return
	}
	m.do(Respond{Leg: Caller, Request: e.Request, Status: 200})
	m.legGone()
	if m.State == CallerAnswered && m.flow.subscription == noSubscription {
		m.end(Outcome{Cancelled, Caller, 0, ByCaller}, Cause{}) // Before our REFER.
	}
}

// lost ends a call whose leg the adapter had to end.
func (m *machine) lost() {
	if m.CallerLeg != Confirmed {
		return
	}
	m.CallerLeg = Terminated
	if m.State == Ended || m.State == HandedOff {
		m.legGone()
		return
	}
	m.end(Outcome{Failed, Caller, 408, ByServer}, Cause{})
}

func (m *machine) timerFired(e TimerFired) {
	switch {
	case e.Timer == RingTimer && m.calling():
		m.giveUp(Outcome{Result: NoAnswer, EndedBy: ByServer}, Cause{Status: 408})
	case e.Timer == SettleTimer:
		m.sendRefer()
	case e.Timer == NotifyTimer && m.flow.subscription == subscribed:
		m.end(Outcome{Unknown, Callee, 0, ByServer}, Cause{Status: 408, Text: "No NOTIFY"})
	case e.Timer == ReferTimer && m.flow.subscription == subscribed:
		m.end(Outcome{TimedOut, Callee, 0, ByServer}, Cause{Status: 408, Text: "No final NOTIFY"})
	}
}

func (m *machine) hangup(e Hangup) {
	o := Outcome{Result: Cancelled, EndedBy: e.By}
	switch {
	case m.State == Queued:
		m.end(o, Cause{})
	case m.calling():
		m.do(StopTimer{RingTimer})
		m.giveUp(o, Cause{Status: 487})
	case m.State != HandedOff && m.State != Ended:
		m.end(o, Cause{Status: 487})
	}
}

// giveUp cancels the INVITE; the call ends when that has worked, or has not.
func (m *machine) giveUp(o Outcome, c Cause) {
	if m.flow.pending != nil {
		return
	}
	m.flow.pending = &o
	m.do(Cancel{Caller, c})
}
