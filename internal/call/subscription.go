package call

import (
	"strconv"
	"strings"
)

// subscription is the state of what the REFER created (RFC 6665 section 4.1.2).
type subscription uint8

const (
	noSubscription subscription = iota
	referSent
	subscribed // the REFER was accepted, or a NOTIFY has come
	concluded  // the final sipfrag came, or nothing is awaited any more
)

func (m *machine) referred(e Referred) {
	if m.flow.subscription == concluded || m.flow.subscription == noSubscription {
		return
	}
	if e.Status < 300 {
		m.subscribe()
		if m.State == CallerAnswered {
			m.State = CallingCallee
		}
		return
	}
	if m.flow.subscription == subscribed {
		return // A NOTIFY came before this: the phone is at it, whatever it answered.
	}
	if m.canFallBack(e.Status) { // No row: clients would take the refusal for the end.
		m.flow.noRefer = true
		m.fallBack()
		return
	}
	o := Outcome{Failed, Caller, e.Status, ByCaller}
	switch {
	case m.CallerLeg == Terminated: // It hung up while our REFER was under way.
		o.Result = Cancelled
	case e.Status == 408:
		o.Result = TimedOut
	}
	if m.CallerLeg != Terminated {
		m.notifyRow(e.Response)
	}
	m.end(o, Cause{Status: e.Status})
}

// subscribe notes that the phone took the REFER and starts what bounds the wait.
func (m *machine) subscribe() {
	if m.flow.subscription != referSent {
		return
	}
	m.flow.subscription = subscribed
	m.do(StartTimer{Timer: NotifyTimer, After: m.Order.NotifyTimeout})
	m.do(StartTimer{Timer: ReferTimer, After: m.Order.ReferLimit})
}

func (m *machine) notified(e Notified) {
	if status := m.checkNotify(e); status != 0 {
		m.do(Respond{Leg: Caller, Request: e.Request, Status: status})
		return
	}
	m.do(Respond{Leg: Caller, Request: e.Request, Status: 200})
	if m.flow.subscription == concluded {
		return // What is recorded as the outcome is never changed.
	}
	m.subscribe()
	m.do(StopTimer{NotifyTimer})
	frag := strings.TrimSpace(e.Body)
	if frag != "" {
		m.row(Row{At: StampOf(e.At), SIPCallID: e.SIPCallID, Method: ByNotify, Line: frag})
	}
	m.report(frag, strings.EqualFold(token(e.State), "terminated"))
}

// checkNotify gives the status with which a NOTIFY is refused, 0 for a good one
// (RFC 3515 section 2.4.6, RFC 6665 sections 4.1.3 and 8.2.1; row T15).
func (m *machine) checkNotify(e Notified) int {
	switch {
	case e.Event == "":
		return 400
	case !strings.EqualFold(token(e.Event), "refer"):
		return 489
	case m.flow.subscription == noSubscription:
		return 481
	case token(e.State) == "":
		return 400
	}
	if id, ok := param(e.Event, "id"); ok && id != strconv.FormatUint(uint64(e.ReferSeq), 10) {
		return 481
	}
	return 0
}

// report takes what a sipfrag says; over tells that it is the last one. The outcome
// is its status alone: a phone may send a final one in a subscription that it calls
// active, and may end the subscription with any reason (rows T10 to T13).
func (m *machine) report(frag string, over bool) {
	status := fragStatus(frag)
	switch {
	case status >= 300:
		m.end(Outcome{resultOf(status), Callee, status, ByCallee}, Cause{status, clip(fragPhrase(frag), maxCauseText)})
	case status >= 200:
		m.handOff()
	case over:
		m.end(Outcome{Unknown, Callee, 0, ByCaller}, Cause{})
	case status > 100:
		m.State = CalleeRinging
	case m.State == CallerAnswered:
		m.State = CallingCallee
	}
}

// conclude stops waiting for the phone's reports.
func (m *machine) conclude() {
	switch {
	case m.flow.subscription == subscribed:
		m.do(StopTimer{NotifyTimer})
		m.do(StopTimer{ReferTimer})
	case m.State == CallerAnswered && m.flow.subscription == noSubscription:
		m.do(StopTimer{SettleTimer})
	}
	m.flow.subscription = concluded
}
