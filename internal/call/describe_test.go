package call

import (
	"fmt"
	"strings"
	"time"
)

// order is what the scenarios place: 201 calls 202, as agent 203.
func order() *Order {
	return &Order{
		Agent: Party{URI: "sip:203@example.com"}, Caller: Party{URI: "sip:201@example.com"}, Callee: Party{URI: "sip:202@example.com"},
		ReferredBy: "sip:203@example.com",
		Limits: &Limits{
			RingTimeout: 20 * time.Second, ReferDelay: 50 * time.Millisecond, NotifyTimeout: 32 * time.Second, ReferLimit: 180 * time.Second, MaxRows: 100,
		},
	}
}

// describe writes a step's outcome on one line: state, then effects.
func describe(c Call, effects []Effect) string {
	parts := []string{string(c.State)}
	if c.State == Ended {
		parts[0] += "(" + string(c.Outcome.Result) + ")"
	}
	for _, e := range effects {
		parts = append(parts, effectText(e))
	}
	return strings.Join(parts, " ")
}

func effectText(e Effect) string {
	switch e := e.(type) {
	case Invite:
		return [...]string{"Invite", "InviteNoSDP"}[e.Offer]
	case Cancel:
		return fmt.Sprintf("Cancel:%d", e.Cause.Status)
	case Ack:
		return "Ack"
	case Refer:
		return "Refer"
	case Bye:
		if e.Cause.Status == 0 {
			return "Bye"
		}
		return fmt.Sprintf("Bye:%d", e.Cause.Status)
	case Respond:
		return fmt.Sprintf("%d%s", e.Status, [...]string{"", "+sdp"}[e.Body])
	case Prack:
		return "Prack"
	case Release:
		return "Release"
	case StartTimer:
		return "+" + e.Timer.String()
	case StopTimer:
		return "-" + e.Timer.String()
	default:
		return fmt.Sprintf("%T", e)
	}
}

var epoch = time.Unix(1_700_000_000, 0)

func response(status int) Response {
	return Response{Leg: Caller, SIPCallID: "c1", Status: status, Line: fmt.Sprintf("SIP/2.0 %d X", status), At: epoch}
}

func sending(status int) Event  { return Calling{response(status)} }
func progress(status int) Event { return Progress{Response: response(status)} }
func answer(status int) Event   { return Answered{Response: response(status)} }
func routed(status int) Event   { return Answered{Response: response(status), Routed: true} }
func reject(status int) Event   { return Rejected{response(status)} }
func silent(status int) Event   { return SendFailed{response(status)} }
func referred(status int) Event { return Referred{response(status)} }

func notify(state, body string) Event {
	return Notified{Request: 1, SIPCallID: "c1", Event: "refer;id=2", ReferSeq: 2, State: state, Body: body, At: epoch}
}
