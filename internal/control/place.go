package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// The most bytes of the free texts. A longer subject would fit in no INVITE over
// UDP, and few over TCP.
const (
	maxSubject = 2000
	maxConfPIN = 64
)

// PlaceRequest asks for a call. Its texts are as the user gave them, decoded once.
type PlaceRequest struct {
	Method  string // of call set-up, in any case; an interface fills in its default
	Agent   string // user name or alias; "" for the calling party's user name
	Calling string // user or user@host[:port]; its phone rings first
	Called  string // user or user@host[:port]

	Subject    string // "" for none; white space around it is left out, as of ConfPIN
	ConfPIN    string // for the conference that is called; "" for none
	Forwarding bool   // whether the calling party's forwarding is followed

	// Ring is how long the calling party's phone rings, up to Limits. 0 is not "give
	// up at once", which helps nobody, but the default: the user has no wish.
	Ring time.Duration
	// Keep is how long Status shows the call, counted from now, and in any case until
	// the call is over; up to Limits. With 0 it is forgotten when it is over.
	Keep time.Duration

	ID call.ID // the name of the call, by NewID; "" for a new one
	// Beside leaves a call of the same agent and parties alone, which is otherwise
	// replaced; the new one is then found by its name only.
	Beside bool
	// Auto, with MethodRefer, lets the call go on in INVITE mode when the calling
	// party's phone refuses the REFER, whatever the configuration says.
	Auto        bool
	CalleeRing  time.Duration     // how long the called party's phone rings (MethodInvite), up to Limits; 0 as Ring
	MaxDuration time.Duration     // how long they may talk (MethodInvite), at most what is configured; 0 for that
	CallerShows string            // display name on the calling party's phone; "" for the agent's
	CalleeShows string            // on the called party's
	Metadata    map[string]string // comes back with the call; see maxMetadata
}

// The methods of call set-up: the calling party's phone is told by REFER to call the
// called party, or the server calls both and stays between them.
const (
	MethodRefer  = "refer"
	MethodInvite = "invite"
)

// modeOf gives the mode of a method.
func modeOf(method string) (call.Mode, bool) {
	switch {
	case strings.EqualFold(method, MethodRefer):
		return call.ByRefer, true
	case strings.EqualFold(method, MethodInvite):
		return call.ByStay, true
	default:
		return 0, false
	}
}

// Place starts a call and gives it, as it stands then. A call with the same agent, calling and
// called party is replaced: it is hung up first; but a call of INVITE mode that lives
// is not replaced by another one (Conflict). The error's kind is Invalid, Denied,
// NotAgent, BadUser, BadMethod, Conflict, Limited, Exhausted or OutOfScope; after an error nothing was sent.
func (c *Control) Place(ctx context.Context, p auth.Principal, r PlaceRequest) (*engine.Running, error) {
	running, err := c.place(ctx, p, r)
	c.placed(p, r, running, err)
	return running, err
}

func (c *Control) place(ctx context.Context, p auth.Principal, r PlaceRequest) (*engine.Running, error) {
	if err := Permit(p, ToPlace); err != nil {
		return nil, err
	}
	o, err := c.order(p, r)
	if err != nil {
		c.tellRefused(o, r.ID, err)
		return nil, err
	}
	if o.Mode == call.ByStay && !r.Beside && c.records.busy(keyOf(o)) {
		return nil, inProgress(r)
	}
	running, err := c.admit(cmp.Or(r.ID, NewID()), o)
	if err != nil {
		c.tellRefused(o, r.ID, err)
		return nil, err
	}
	c.config.Log.InfoContext(ctx, "call placed", "call", string(running.ID()), "user", o.Agent.User, "calling", o.Caller.URI, "called", o.Callee.URI)
	if r.Beside {
		if !c.records.alias(running, keyOf(o), r.Keep) { // Another one lives under the key.
			running.Forget()
		}
		running.Post(call.Start{})
	} else if !c.records.put(running, r.Keep) { // Another one was faster.
		running.Forget()
		running.Post(call.Hangup{By: call.ByServer})
		return nil, inProgress(r)
	}
	c.begun(ctx, running)
	return running, nil
}

// begun waits until the call is known even after a crash, and the first INVITE has left:
// what it says of itself then is what its client is told (row R03).
func (c *Control) begun(ctx context.Context, running *engine.Running) {
	row := c.config.FirstRow && running.Order().Mode == call.ByRefer
	err := running.Await(ctx, func(s *call.Call) bool {
		return !running.Waits() && (!row || len(s.Rows) > 0 || s.State == call.Ended)
	})
	if err != nil {
		c.config.Log.InfoContext(ctx, "who placed a call has not waited for it", "call", string(running.ID()))
	}
}

// inProgress refuses a call of INVITE mode beside one that lives (CONTRACT 3.4).
func inProgress(r PlaceRequest) error {
	return fault(call.Conflict, "Call in progress %s not supported", clip(r.Method))
}

// NewID gives a name that nobody can guess and nobody else has: 130 random bits.
func NewID() call.ID { return call.ID(rand.Text()) }

// order checks a request as a whole and makes the order of it, also when a rule of the
// policy refuses it.
func (c *Control) order(p auth.Principal, r PlaceRequest) (*call.Order, error) {
	calling, err := c.dialable("calling party", r.Calling)
	if err != nil {
		return nil, err
	}
	called, err := c.dialable("called party", r.Called)
	if err != nil {
		return nil, err
	}
	agent, err := c.agentFor(p, r.Agent, calling)
	if err != nil {
		return nil, err
	}
	mode, ok := modeOf(r.Method)
	if !ok {
		return nil, fault(call.BadMethod, "Call Setup Method %s not supported", clip(r.Method))
	}
	if err := c.checkOptions(r); err != nil {
		return nil, err
	}
	o := &call.Order{
		Mode: mode, Automatic: c.automatic(called), ConfPIN: strings.TrimSpace(r.ConfPIN), Fallback: c.config.Fallback || r.Auto, FirstRow: c.config.FirstRow,
		Agent:  call.Party{URI: agent.uri, Display: agent.DisplayName, User: agent.Name},
		Caller: c.orderParty(calling), Callee: c.orderParty(called),
		ReferredBy: agent.uri, Subject: strings.TrimSpace(r.Subject), Forwarding: r.Forwarding,
		Placed: call.StampOf(time.Now()), Keep: r.Keep, Limits: c.limitsOf(r), Wishes: wishesOf(r),
	}
	if c.config.ReferredByCaller {
		o.ReferredBy = calling.uri
	}
	return o, c.allowed(agent.Name, &calling, &called)
}

// limitsOf gives the limits of an order. Orders one after the other share them when they
// are the same: most are.
func (c *Control) limitsOf(r PlaceRequest) *call.Limits {
	ring, duration := r.Ring, r.MaxDuration
	if ring == 0 {
		ring = min(DefaultTime, c.config.MaxRing)
	}
	if most := c.config.MaxDuration; duration == 0 || most > 0 && duration > most {
		duration = most
	}
	if last := c.lastLimits.Load(); last != nil && last.RingTimeout == ring && last.MaxDuration == duration {
		return last
	}
	l := &call.Limits{
		RingTimeout: ring, MaxDuration: duration, KeepAlive: c.config.KeepAlive,
		ReferDelay: c.config.ReferDelay, NotifyTimeout: c.config.NotifyTimeout, ReferLimit: c.config.ReferLimit, MaxRows: c.config.MaxRows,
	}
	c.lastLimits.Store(l)
	return l
}

func wishesOf(r PlaceRequest) *call.Wishes {
	if len(r.Metadata) == 0 && r.CalleeRing == 0 && r.CallerShows == "" && r.CalleeShows == "" {
		return nil
	}
	return &call.Wishes{Metadata: maps.Clone(r.Metadata), CalleeRing: r.CalleeRing, Shown: [2]string{r.CallerShows, r.CalleeShows}}
}

// automatic tells whether a called party answers without ringing.
func (c *Control) automatic(p party) bool {
	return slices.ContainsFunc(c.config.Automatic, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(p.user, prefix)
		}
		return p.user == pattern
	})
}

func (c *Control) checkOptions(r PlaceRequest) error {
	if reason := checkText(r.Subject, maxSubject); reason != "" {
		return invalid("subject %q %s", clip(r.Subject), reason)
	}
	if reason := checkText(r.ConfPIN, maxConfPIN); reason != "" {
		return invalid("confpin %s", reason) // a secret: its value is not repeated
	}
	for _, t := range []struct {
		what string
		time time.Duration
		most time.Duration
	}{{"the ring timeout", r.Ring, c.config.MaxRing}, {"the ring timeout of the called party", r.CalleeRing, c.config.MaxRing}, {"the time to keep the result,", r.Keep, c.config.MaxKeep}} {
		if t.time < 0 || t.time > t.most {
			return invalid("%s %s is not from 0 s to %s", t.what, t.time, t.most)
		}
	}
	if r.MaxDuration < 0 {
		return invalid("the longest duration %s is negative", r.MaxDuration)
	}
	for what, name := range map[string]string{"calling": r.CallerShows, "called": r.CalleeShows} {
		if reason := checkText(name, maxUser); reason != "" {
			return invalid("the name %q shown to the %s party %s", clip(name), what, reason)
		}
	}
	return checkMetadata(r.Metadata)
}

// What metadata may hold: it is kept with the call, and sent in each of its events.
const (
	maxMetadata      = 16
	maxMetadataName  = 64  // bytes
	maxMetadataValue = 512 // bytes
)

func checkMetadata(m map[string]string) error {
	if len(m) > maxMetadata {
		return invalid("metadata has %d names, at most %d are allowed", len(m), maxMetadata)
	}
	for name, value := range m {
		if reason := checkText(name, maxMetadataName); reason != "" || name == "" {
			return invalid("the metadata name %q %s", clip(name), cmp.Or(reason, "is empty"))
		}
		if reason := checkText(value, maxMetadataValue); reason != "" {
			return invalid("the metadata value of %q %s", clip(name), reason)
		}
	}
	return nil
}
