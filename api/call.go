// Package api has the JSON of the /v1 interface: requests and answers, as they stand
// on the wire, and nothing else. Server and client share it. Times are RFC 3339 in
// UTC; durations are whole seconds.
package api

import "time"

// Call is a call as it stands, or as it ended.
type Call struct {
	ID     string `json:"id" doc:"Name of the call, unique for ever. It is no Call-ID of SIP." example:"OCNBP4VZUCFD7UWR7FH55UIHXQ"`
	State  string `json:"state" enum:"queued,calling_caller,caller_ringing,caller_answered,calling_callee,callee_ringing,handed_off,connected,transferring,ended"`
	Method string `json:"method" enum:"refer,invite" doc:"How it is set up: the calling party's phone is told to call (refer), or the server calls both and stays between them (invite)."`
	Agent  string `json:"agent" doc:"User on whose behalf it was placed."`
	Caller Party  `json:"caller" doc:"Calling party: its phone rings first. A transfer can change it."`
	Callee Party  `json:"callee" doc:"Called party. A transfer can change it."`

	Subject  string            `json:"subject,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty" doc:"As it was given when the call was placed."`

	CreatedAt   time.Time  `json:"created_at"`
	ConnectedAt *time.Time `json:"connected_at,omitempty" doc:"When both parties were put together."`
	EndedAt     *time.Time `json:"ended_at,omitempty"`

	Legs     []Leg     `json:"legs,omitempty" nullable:"false" doc:"The legs that live, the calling party's first."`
	Transfer *Transfer `json:"transfer,omitempty" doc:"The transfer that is under way."`
	Outcome  *Outcome  `json:"outcome,omitempty" doc:"How it ended; only with the state ended."`
}

// Party is one side of a call.
type Party struct {
	Address string `json:"address" doc:"user@host" example:"201@example.com"`
	Name    string `json:"name,omitempty" doc:"Display name."`
	User    string `json:"user,omitempty" doc:"Name in the directory."`
}

// Leg is the server's dialog with one phone.
type Leg struct {
	Role      string `json:"role" enum:"caller,callee,target"`
	Party     Party  `json:"party"`
	State     string `json:"state" enum:"trying,proceeding,early,confirmed,terminated" doc:"In the words of RFC 4235."`
	Held      bool   `json:"held,omitempty"`
	SIPCallID string `json:"sip_call_id,omitempty" doc:"Call-ID of the leg, to be looked for in a trace."`
}

// Transfer is a transfer that is under way.
type Transfer struct {
	Target   Party  `json:"target"`
	Replaces string `json:"replaces" enum:"caller,callee"`
	Ringing  bool   `json:"ringing"`
}

// Outcome is how a call ended.
type Outcome struct {
	Result    string `json:"result" enum:"completed,busy,no_answer,rejected,unreachable,cancelled,timeout,blocked,failed,unknown"`
	FailedLeg string `json:"failed_leg,omitempty" enum:"caller,callee,target"`
	SIPCode   int    `json:"sip_code,omitempty" doc:"SIP status that decided it."`
	EndedBy   string `json:"ended_by" enum:"caller,callee,target,agent,server"`
}

// PlaceCall asks for a call.
type PlaceCall struct {
	Caller string `json:"caller" minLength:"1" maxLength:"512" doc:"Whose phone rings first: user, or user@host." example:"201"`
	Callee string `json:"callee" minLength:"1" maxLength:"512" doc:"Who is called then." example:"202"`
	Agent  string `json:"agent,omitempty" maxLength:"128" doc:"User on whose behalf; the calling party when it is left out."`
	Method string `json:"method,omitempty" enum:"auto,refer,invite" default:"auto" doc:"auto: by REFER, and by INVITE when the phone does not take that."`

	Subject        string            `json:"subject,omitempty" maxLength:"2000" doc:"SIP subject of the first INVITE."`
	ConferencePIN  string            `json:"conference_pin,omitempty" maxLength:"64" doc:"PIN of the conference that is called. It is never shown again."`
	RingTimeout    int               `json:"ring_timeout,omitempty" minimum:"0" maximum:"86400" doc:"How long the calling party's phone rings, in seconds; 0: 180."`
	CalleeTimeout  int               `json:"callee_ring_timeout,omitempty" minimum:"0" maximum:"86400" doc:"How long the called party's rings (invite), in seconds; 0: as ring_timeout."`
	MaxDuration    int               `json:"max_duration,omitempty" minimum:"0" maximum:"2592000" doc:"How long they may talk (invite), in seconds; 0: as configured."`
	FollowForwards bool              `json:"follow_forwards,omitempty" doc:"Whether the calling party's forwarding is followed."`
	CallerID       *CallerID         `json:"caller_id,omitempty" doc:"What the phones show."`
	Metadata       map[string]string `json:"metadata,omitempty" doc:"Comes back in the call and in each of its events. At most 16 names of 64 bytes with 512 bytes each."`
}

// CallerID is the name that each phone shows beside the agent's address.
type CallerID struct {
	Caller string `json:"caller,omitempty" maxLength:"128" doc:"On the calling party's phone; the agent's display name when it is left out."`
	Callee string `json:"callee,omitempty" maxLength:"128" doc:"On the called party's phone (invite)."`
}

// TransferCall asks for one party to be replaced.
type TransferCall struct {
	Target   string `json:"target" minLength:"1" maxLength:"512" doc:"Who takes its place: user, or user@host." example:"203"`
	Replaces string `json:"replaces,omitempty" enum:"caller,callee" default:"caller"`
}

// Calls is a page of a list.
type Calls struct {
	Calls []Call `json:"calls" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last one."`
}

// Check tells whether a call may be placed.
type Check struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty" doc:"Why not."`
	Rule    string `json:"rule,omitempty" doc:"The rule of the policy that says so."`
}
