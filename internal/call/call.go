// Package call is the core: what a third-party call is, and how it moves.
//
// A Call is a value. Step takes a call and one event and gives the call that
// follows and the effects that the outside must perform. The package knows no
// network, clock, log or lock, and starts no goroutine: times come in with events,
// deadlines go out as effects.
package call

import (
	"strings"
	"time"
)

// ID is our name of a call, unique for ever. It is no Call-ID of SIP.
type ID string

// Leg names one of the two sides that the controller calls.
type Leg uint8

// The legs: the calling party, whose phone rings first, the called party, and the
// target of a transfer until it has taken the place of one of them.
const (
	Caller Leg = iota
	Callee
	Target
	numLegs
)

// NumLegs is how many sides a call has at most, numbered from 0.
const NumLegs = int(numLegs)

func (l Leg) String() string {
	return [...]string{"caller", "callee", "target"}[l]
}

// Mode is the method of call set-up.
type Mode uint8

// The modes.
const (
	ByRefer Mode = iota // the calling party's phone is told to call, then left alone
	ByStay              // the controller stays in the path (RFC 3725)
)

// State is where the call as a whole stands.
//
//	queued -> calling_caller -> caller_ringing -> caller_answered
//	       -> calling_callee -> callee_ringing -> handed_off -> ended
//	                                           -> connected <-> transferring -> ended
//
// Every state can end; ringing may be skipped. handed_off is REFER mode's state
// between the called party's answer and the end of the caller's leg. In connected
// and transferring the controller is in the path (INVITE mode).
type State string

// The states of a call.
const (
	Queued         State = "queued"
	CallingCaller  State = "calling_caller"
	CallerRinging  State = "caller_ringing"
	CallerAnswered State = "caller_answered"
	CallingCallee  State = "calling_callee"
	CalleeRinging  State = "callee_ringing"
	HandedOff      State = "handed_off"
	Connected      State = "connected"
	Transferring   State = "transferring"
	Ended          State = "ended"
)

// Result is how an ended call went.
type Result string

// The results of a call.
const (
	Completed   Result = "completed"   // both parties were put together
	Busy        Result = "busy"        // a party is busy
	NoAnswer    Result = "no_answer"   // a party let it ring
	Declined    Result = "rejected"    // a party or a rule refused the call
	Unreachable Result = "unreachable" // a party is unknown or has no phone
	Cancelled   Result = "cancelled"   // given up before both were put together
	TimedOut    Result = "timeout"     // no response, or a limit was reached
	Blocked     Result = "blocked"     // a rule or limit of the server's refused it: nothing was sent
	Failed      Result = "failed"      // anything else
	Unknown     Result = "unknown"     // the phone never told how it went
)

// Party words for Outcome.EndedBy.
const (
	ByCaller = "caller"
	ByCallee = "callee"
	ByTarget = "target"
	ByAgent  = "agent"  // who asked for the call, or an administrator
	ByServer = "server" // a time-out or limit of ours
)

// Outcome is why and how a call ended; its zero value is that of a running one.
type Outcome struct {
	Result    Result
	FailedLeg Leg // means something for a Result other than completed
	SIPCode   int // the SIP status that decided it, 0 when none did
	EndedBy   string
}

// Failed names the leg on which the call failed, "" when it did not.
func (o Outcome) Failed() string {
	if o.Result == Completed {
		return ""
	}
	return o.FailedLeg.String()
}

// LegState is a leg's state in the words of RFC 4235 section 3.7.1.
type LegState uint8

// The states of a leg.
const (
	Idle LegState = iota // not called yet
	Trying
	Proceeding
	Early
	Confirmed
	Terminated
)

func (s LegState) String() string {
	return [...]string{"", "trying", "proceeding", "early", "confirmed", "terminated"}[s]
}

// Party is one side of an order, or its agent.
type Party struct {
	URI     string // "sip:201@example.com", escaped and ready for a header
	Display string // display name, "" for none
	User    string // name in the directory, "" for a party that is not in it
}

// Address is user@host.
func (p *Party) Address() string { return strings.TrimPrefix(p.URI, "sip:") }

// Goes tells whether the party goes by that name: user@host, or its user in the directory.
func (p *Party) Goes(name string) bool { return name == p.Address() || p.User != "" && name == p.User }

// Order is what was asked for. It is never changed once the call is made.
type Order struct {
	Mode Mode
	// Forwarding says whether the calling party's forwarding is followed.
	Forwarding bool
	// Fallback turns a call whose phone refuses the REFER into one of INVITE mode.
	Fallback bool
	// Automatic says that the called party answers without ringing, as a conference does:
	// flow I of RFC 3725, which needs one exchange less (INVITE mode).
	Automatic bool
	FirstRow  bool // a row stands before anything has come back, see machine.callingNow

	Agent  Party
	Caller Party
	Callee Party
	// ConfPIN goes to the called party as X-ConfPin, "" for none. A secret.
	ConfPIN string
	// ReferredBy is the URI of Referred-By (RFC 3892).
	ReferredBy string
	Subject    string        // of the first INVITE, "" for none
	Placed     Stamp         // when it was asked for
	Keep       time.Duration // how long from then on the call is remembered, and in any case until it is over

	*Limits
	*Wishes // nil for none
}

// Wishes are what few orders have.
type Wishes struct {
	Metadata   map[string]string // means nothing to us, comes back with the call
	CalleeRing time.Duration     // how long the called party's phone rings (INVITE mode); 0 as the calling party's
	Shown      [2]string         // display names in the place of the agent's, on the calling and the called party's phone; "" for that one
}

// ringFor is how long the phone of a leg rings.
func (o *Order) ringFor(l Leg) time.Duration {
	if o.Wishes != nil && l != Caller && o.CalleeRing > 0 {
		return o.CalleeRing
	}
	return o.RingTimeout
}

// ShownTo is the display name of the agent on the phone of a leg.
func (o *Order) ShownTo(l Leg) string {
	i := min(l, Callee)
	if o.Wishes != nil && o.Shown[i] != "" {
		return o.Shown[i]
	}
	return o.Agent.Display
}

// Limits are the times and bounds of an order. Many orders share one, which is never
// changed.
type Limits struct {
	KeepAlive     time.Duration // how often the phones of a call in INVITE mode are asked whether they are there; 0 for never
	RingTimeout   time.Duration // how long the phone of a party rings
	MaxDuration   time.Duration // from both parties together to the hang-up by us (INVITE mode); 0 for no limit
	ReferDelay    time.Duration // from the ACK to the REFER when both pass a proxy; 0 for none
	NotifyTimeout time.Duration // from an accepted REFER to the first NOTIFY (RFC 6665, timer N)
	ReferLimit    time.Duration // from an accepted REFER to the final sipfrag
	MaxRows       int           // most status rows kept; 0 for no limit
}

// Method is the SIP method that a Row reports about.
type Method uint8

// The methods of rows.
const (
	ByInvite Method = iota // a response to the INVITE of the calling party's leg
	ByNotify               // a sipfrag, or the refusal of the REFER
)

func (m Method) String() string {
	if m == ByNotify {
		return "NOTIFY"
	}
	return "INVITE"
}

// Stamp is a moment in milliseconds since 1970 (UTC): a third of a time.Time.
type Stamp int64

// StampOf gives the moment of t.
func StampOf(t time.Time) Stamp { return Stamp(t.UnixMilli()) }

// Time gives the moment as a time in UTC.
func (s Stamp) Time() time.Time { return time.UnixMilli(int64(s)).UTC() }

// Row is one step of a REFER-mode call as the old interface reports it. Standing
// calls consist of little else, so it is small.
type Row struct {
	At        Stamp
	SIPCallID string
	Line      string // a status line, or the whole trimmed sipfrag body
	Method    Method
}

// Call is a call at one moment. Copies are cheap and may be kept: nothing that a
// copy shows changes later.
type Call struct {
	ID        ID
	Order     *Order
	State     State
	Outcome   Outcome
	CallerLeg LegState
	Rows      []Row
	Connected Stamp // when both parties were put together; 0 before
	Ended     Stamp // 0 before; both are set by who runs the call

	invites uint8 // how many INVITEs were sent, those inside dialogs not counted
	flow    referFlow
	bridge  *bridge // of INVITE mode; what it points to is never changed
}

// New makes a call that waits for its Start.
func New(id ID, o *Order) Call { return Call{ID: id, Order: o, State: Queued} }

// Prefer lets a call that waits for its Start begin with an offer that the calling
// party's phone is known to take.
func (c *Call) Prefer(o Offer) { c.flow.offer = o }

// NoRefer lets a call that waits for its Start go without the REFER that the calling
// party's phone is known to refuse.
func (c *Call) NoRefer() { c.flow.noRefer = c.Order.Fallback }

// Refuses tells that the calling party's phone refused the REFER in a way that says
// that it always will.
func (c *Call) Refuses() bool { return c.flow.noRefer }

// Offer is what the INVITE of the caller's leg carried last.
func (c *Call) Offer() Offer { return c.flow.offer }

// Answered tells that the calling party's phone has been picked up and the call has
// not ended.
func (c *Call) Answered() bool {
	switch c.State {
	case Queued, CallingCaller, CallerRinging, Ended:
		return false
	default:
		return true
	}
}

// Over tells that nothing is left to be done or waited for: the call has ended and
// its legs are gone.
func (c *Call) Over() bool {
	if c.State != Ended {
		return false
	}
	if c.bridge != nil {
		return c.bridge.gone()
	}
	return c.CallerLeg == Idle || c.CallerLeg == Terminated
}

// resultOf gives the result that a final SIP status of a party means.
func resultOf(status int) Result {
	switch status {
	case 486, 600:
		return Busy
	case 408, 487:
		return NoAnswer
	case 401, 403, 407, 603, 607, 608:
		return Declined
	case 404, 410, 480, 484, 485, 502, 604:
		return Unreachable
	default:
		return Failed
	}
}
