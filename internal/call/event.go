package call

import "time"

// Event is what happened to a call; the set is closed. A failure is an event too.
type Event interface{ event() }

// Request names a request of a phone that waits for its Respond effect. It is made
// by the adapter, unique within the leg.
type Request uint32

// Response is what all events about a response have in common.
type Response struct {
	Leg       Leg
	SIPCallID string
	Status    int
	Line      string // the status line, "SIP/2.0 180 Ringing"
	At        time.Time
}

// DialogID is what names a dialog in SIP (RFC 3261 section 12). No call needs it: who
// performs the signalling has it.
type DialogID struct{ SIPCallID, LocalTag, RemoteTag string }

// SDP says what session description a message of a phone carried.
type SDP uint8

// The kinds of SDP.
const (
	NoSDP   SDP = iota
	GoodSDP     // can be passed on
	DeadSDP     // can be passed on, and refuses every stream
	BadSDP      // cannot be passed on
)

// Timer names a deadline of a call.
type Timer uint8

// The deadlines of a call.
const (
	RingTimer     Timer = iota // the calling party must have answered
	SettleTimer                // the ACK has reached the phone, the REFER may follow
	NotifyTimer                // the first NOTIFY must have come
	ReferTimer                 // the final sipfrag must have come
	GlareTimer                 // the re-INVITE that met another may be tried again
	DurationTimer              // the parties have talked as long as they may
	KeepTimer                  // it is time to ask both phones whether they are there
	numTimers
)

// NumTimers is how many deadlines there are, numbered from 0.
const NumTimers = int(numTimers)

// NumSlots is how many deadlines run at once at most.
const NumSlots = 2

// Slot is where a deadline is kept, from 0: those of one slot never run at the same
// time, so that a call needs no room for all of them.
func (t Timer) Slot() int {
	switch t {
	case ReferTimer, DurationTimer: // Beside NotifyTimer; beside RingTimer in a transfer.
		return 1
	default:
		return 0
	}
}

func (t Timer) String() string {
	return [numTimers]string{"ring", "settle", "notify", "refer", "glare", "duration", "keep"}[t]
}

// The events.
type (
	// Start sets a queued call going.
	Start struct{}
	// Calling tells the Call-ID of the leg's INVITE, just before it leaves.
	Calling struct{ Response }
	// Progress is a provisional response to the leg's INVITE, or a challenge that
	// the adapter answers.
	Progress struct {
		Response
		Media bool // it says what the phone will send before it answers, such as an announcement
		Offer SDP  // of a reliable response to an INVITE without SDP: it wants its answer in a Prack (RFC 3262 section 5)
	}
	// Answered is the first 2xx to the leg's INVITE.
	Answered struct {
		Response
		Routed bool // requests in the dialog pass a proxy (its route set is not empty)
		SDP    SDP
		// Settled tells that the phone's offer was answered in a PRACK; SDP is NoSDP then.
		Settled bool
	}
	// Rejected is the final response above 2xx that ended the leg's INVITE.
	Rejected struct{ Response }
	// SendFailed tells that the leg's INVITE got no final response: Status is 408
	// for silence and 503 for an unreachable next hop (RFC 3261 section 8.1.3.1).
	SendFailed struct{ Response }
	// Referred is the final response to the REFER, or a local 408 or 503.
	Referred struct{ Response }
	// Notified is a NOTIFY inside the leg's dialog, in order and not seen before.
	Notified struct {
		Leg       Leg
		Request   Request
		SIPCallID string
		Event     string // the Event field, parameters included
		ReferSeq  uint32 // the CSeq number of the REFER as sent last, 0 for none
		State     string // the Subscription-State field
		Body      string
		At        time.Time
	}
	// Renegotiated is the final response to our re-INVITE, or a local 408 or 503.
	Renegotiated struct {
		Response
		SDP SDP
	}
	// Reinvited is a re-INVITE of the phone: hold, resume or new media.
	Reinvited struct {
		Leg     Leg
		Request Request
		SDP     SDP
		Update  bool // it is an UPDATE (RFC 3311)
	}
	// Acked is the ACK of our 2xx to a re-INVITE of the phone.
	Acked struct {
		Leg Leg
		SDP SDP
	}
	// Informed is an INFO of the phone, such as DTMF (RFC 6086).
	Informed struct {
		Leg     Leg
		Request Request
	}
	// HungUp is a BYE of the phone.
	HungUp struct {
		Leg     Leg
		Request Request
	}
	// Released tells that our BYE was answered, or given up.
	Released struct{ Leg Leg }
	// Lost tells that the leg's dialog broke and was ended by the adapter.
	Lost struct{ Leg Leg }
	// RefreshDue tells that the leg's session timer wants a re-INVITE (RFC 4028). It comes
	// again until there was one.
	RefreshDue struct{ Leg Leg }
	// Gone tells that the leg's phone did not answer a request in the dialog (408), or
	// knows the dialog no more (481).
	Gone struct {
		Leg    Leg
		Status int
	}
	// TimerFired tells that a deadline passed.
	TimerFired struct{ Timer Timer }
	// Transfer is the wish of a user to put Target in the place of a party.
	Transfer struct {
		Leg    Leg // Caller or Callee: who is replaced
		Target *Party
	}
	// Hold is the wish of a user to stop the media of a leg, and with it of the other.
	Hold struct{ Leg Leg }
	// Resume is the wish to let them talk again.
	Resume struct{ Leg Leg }
	// Restored tells a call that Restore has made that its legs can be reached again. What
	// was asked for and not answered when the process ended is lost.
	Restored struct {
		// Unanswered are the legs whose dialog stands without our first ACK: its SDP is lost.
		Unanswered [NumLegs]bool
		Talked     time.Duration // since the parties were put together
	}
	// Hangup is the wish of a user or of the server (By) to end the call.
	Hangup struct{ By string }
)

func (Start) event()        {}
func (Calling) event()      {}
func (Progress) event()     {}
func (Answered) event()     {}
func (Rejected) event()     {}
func (SendFailed) event()   {}
func (Referred) event()     {}
func (Notified) event()     {}
func (Reinvited) event()    {}
func (Renegotiated) event() {}
func (Acked) event()        {}
func (Transfer) event()     {}
func (Informed) event()     {}
func (HungUp) event()       {}
func (Released) event()     {}
func (Lost) event()         {}
func (RefreshDue) event()   {}
func (Gone) event()         {}
func (TimerFired) event()   {}
func (Hold) event()         {}
func (Resume) event()       {}
func (Restored) event()     {}
func (Hangup) event()       {}
