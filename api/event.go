package api

import "time"

// The types of events, in the order in which they usually come.
const (
	CallCreated       = "call.created"
	LegTrying         = "call.leg.trying"
	LegRinging        = "call.leg.ringing"
	LegEarlyMedia     = "call.leg.early_media"
	LegAnswered       = "call.leg.answered"
	LegHeld           = "call.leg.held"
	LegResumed        = "call.leg.resumed"
	LegEnded          = "call.leg.ended"
	CallConnected     = "call.connected"
	CallHandedOff     = "call.handed_off"
	TransferStarted   = "call.transfer.started"
	TransferSucceeded = "call.transfer.succeeded"
	TransferFailed    = "call.transfer.failed"
	CallEnded         = "call.ended"
	CallRefused       = "call.refused"
)

// EventTypes gives all of them, in that order.
func EventTypes() []string {
	return []string{
		CallCreated, LegTrying, LegRinging, LegEarlyMedia, LegAnswered, LegHeld, LegResumed, LegEnded, CallConnected, CallHandedOff,
		TransferStarted, TransferSucceeded, TransferFailed, CallEnded, CallRefused,
	}
}

// Event is one change of a call.
type Event struct {
	ID   string    `json:"id" doc:"Place in the stream of all events: Last-Event-ID resumes behind it."`
	Type string    `json:"type"`
	Time time.Time `json:"time"`
	Seq  uint64    `json:"seq" doc:"Number within the call: 1, 2, 3 and so on, without a gap."`
	Leg  string    `json:"leg,omitempty" enum:"caller,callee,target" doc:"Which leg, with call.leg events."`
	Call Call      `json:"call" doc:"The call as this change left it."`
}

// IsLast tells whether nothing more comes of its call.
func (e *Event) IsLast() bool { return e.Type == CallEnded || e.Type == CallRefused }

// Message is one SIP message of a call.
type Message struct {
	Time      time.Time `json:"time"`
	Direction string    `json:"direction" enum:"sent,received"`
	Leg       string    `json:"leg,omitempty" enum:"caller,callee,target"`
	Peer      string    `json:"peer" doc:"Protocol and address." example:"udp 192.0.2.5:5060"`
	StartLine string    `json:"start_line"`
	Text      string    `json:"text" doc:"The whole message; secrets are ***."`
}

// Messages is the SIP ladder of a call.
type Messages struct {
	Messages []Message `json:"messages" nullable:"false"`
}
