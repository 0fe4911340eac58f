package control

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
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

// Place starts a call and gives its name. A call with the same agent, calling and
// called party is replaced: it is hung up first; but a call of INVITE mode that lives
// is not replaced by another one (Conflict). The error's kind is Invalid, Denied,
// NotAgent, BadUser, BadMethod, Conflict, Limited or Exhausted; after an error nothing was sent.
func (c *Control) Place(ctx context.Context, p auth.Principal, r PlaceRequest) (call.ID, error) {
	id, err := c.place(ctx, p, r)
	c.placed(p, r, id, err)
	return id, err
}

func (c *Control) place(ctx context.Context, p auth.Principal, r PlaceRequest) (call.ID, error) {
	o, err := c.order(p, r)
	if err != nil {
		return "", err
	}
	if o.Mode == call.ByStay && c.records.busy(keyOf(o)) {
		return "", inProgress(r)
	}
	running, err := c.admit(o)
	if err != nil {
		return "", err
	}
	id := running.Snapshot().ID
	c.config.Log.InfoContext(ctx, "call placed", "call", string(id), "user", o.Agent.User, "calling", o.Caller.URI, "called", o.Callee.URI)
	if !c.records.put(running, r.Keep) { // Another one was faster.
		running.Post(call.Hangup{By: call.ByServer})
		return "", inProgress(r)
	}
	return id, nil
}

// inProgress refuses a call of INVITE mode beside one that lives (CONTRACT 3.4).
func inProgress(r PlaceRequest) error {
	return fault(call.Conflict, "Call in progress %s not supported", clip(r.Method))
}

// newID gives a name that nobody can guess and nobody else has: 130 random bits.
func newID() call.ID { return call.ID(rand.Text()) }

// order checks a request as a whole and makes the order of it.
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
	if err := c.allowed(agent.Name, &calling, &called); err != nil {
		return nil, err
	}
	o := &call.Order{
		Mode: mode, Automatic: c.automatic(called), ConfPIN: strings.TrimSpace(r.ConfPIN), Fallback: c.config.Fallback, FirstRow: c.config.FirstRow,
		Agent:  call.Party{URI: agent.uri, Display: agent.DisplayName, User: agent.Name},
		Caller: c.orderParty(calling), Callee: c.orderParty(called),
		ReferredBy: agent.uri, Subject: strings.TrimSpace(r.Subject), Forwarding: r.Forwarding,
		Limits: c.limitsOf(r.Ring),
	}
	if c.config.ReferredByCaller {
		o.ReferredBy = calling.uri
	}
	return o, nil
}

// limitsOf gives the limits of an order, whose phones ring for so long; 0 for the usual
// time. Orders one after the other share them when they are the same: most are.
func (c *Control) limitsOf(ring time.Duration) *call.Limits {
	if ring == 0 {
		ring = min(DefaultTime, c.config.MaxRing)
	}
	if last := c.lastLimits.Load(); last != nil && last.RingTimeout == ring {
		return last
	}
	l := &call.Limits{
		RingTimeout: ring, MaxDuration: c.config.MaxDuration, KeepAlive: c.config.KeepAlive,
		ReferDelay: c.config.ReferDelay, NotifyTimeout: c.config.NotifyTimeout, ReferLimit: c.config.ReferLimit, MaxRows: c.config.MaxRows,
	}
	c.lastLimits.Store(l)
	return l
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
	if r.Ring < 0 || r.Ring > c.config.MaxRing {
		return invalid("the ring timeout %s is not from 0 s to %s", r.Ring, c.config.MaxRing)
	}
	if r.Keep < 0 || r.Keep > c.config.MaxKeep {
		return invalid("the time to keep the result, %s, is not from 0 s to %s", r.Keep, c.config.MaxKeep)
	}
	return nil
}
