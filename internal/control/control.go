// Package control has the use cases: place a call, tell how it stands. It owns the
// rights (a user acts for himself and nobody else, a token within its scopes), the checks of
// what comes from outside, the limits, and the records by which the old interface finds a call
// again. It never sends anything itself and knows neither HTTP nor SIP messages:
// every interface gives it the same requests, and the engine runs the calls.
//
// Errors are *call.Error and say to the user which field has which value and which
// rule that breaks. The package starts no goroutine.
package control

import (
	"cmp"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"callcontroller/internal/audit"
	"callcontroller/internal/call"
	"callcontroller/internal/directory"
	"callcontroller/internal/engine"
	"callcontroller/internal/policy"
	"callcontroller/internal/timing"
)

// Directory finds a user by name or alias.
type Directory interface {
	Lookup(name string) (directory.User, bool)
}

// DefaultTime is how long the calling party's phone rings, and how long a record is
// kept, when the request does not say it (CONTRACT 2.5, 2.7).
const DefaultTime = 180 * time.Second

// Config is what a Control needs. A zero among the times and limits means the
// default.
type Config struct {
	Engine    *engine.Engine
	Wheel     *timing.Wheel
	Directory Directory
	Domain    string             // completes a bare name to name@domain
	Hosts     policy.Hosts       // that may be called
	Policy    *policy.Rules      // who may call whom, when and how often; default: no limits
	MaxRate   int                // new calls a second; 0 for no limit
	Log       *slog.Logger       // default: nothing is logged
	Refused   func(c *call.Call) // is told of each call that a rule of the policy has refused, as it would have been; nil for nobody
	Journal   func() error       // tells why no new call may be taken, nil when it may; nil for no journal, or one that may fail
	Audit     *audit.Log         // who asked for what; nil for no record

	Automatic        []string      // called users who answer without ringing; a "*" at the end stands for any rest
	Fallback         bool          // see call.Order
	KeepAlive        time.Duration // see call.Limits; 0 for never
	MaxDuration      time.Duration // see call.Limits; 0 for no limit
	ReferredByCaller bool          // Referred-By names the calling party instead of the agent
	FirstRow         bool          // see call.Order
	ReferDelay       time.Duration // see call.Limits; 0 for none
	NotifyTimeout    time.Duration // see call.Limits; default 32 s (RFC 6665, Timer N)
	ReferLimit       time.Duration // see call.Limits; default 180 s
	MaxRows          int           // status rows of a call; default 100

	MaxRing    time.Duration // longest ring timeout; default 1 h
	MaxKeep    time.Duration // longest time that a record is kept; default 24 h
	MaxCalls   int           // calls that are not over; default 10,000
	MaxRecords int           // records, those of calls that are over included; default 10 times MaxCalls
}

// Control performs the use cases. Use New. All methods may be called at the same
// time.
type Control struct {
	config  Config
	records *records

	rate *policy.Rate

	lastLimits atomic.Pointer[call.Limits] // see limitsOf

	// gate makes what is checked and what is then added one step: no call slips in
	// above the limit, or behind Drain.
	gate     sync.Mutex
	draining bool
}

// New makes a Control without calls.
func New(c Config) *Control {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.NotifyTimeout = cmp.Or(c.NotifyTimeout, 32*time.Second)
	c.ReferLimit = cmp.Or(c.ReferLimit, 180*time.Second)
	c.MaxRows = cmp.Or(c.MaxRows, 100)
	c.MaxRing = cmp.Or(c.MaxRing, time.Hour)
	c.MaxKeep = cmp.Or(c.MaxKeep, 24*time.Hour)
	c.MaxCalls = cmp.Or(c.MaxCalls, 10_000)
	c.MaxRecords = cmp.Or(c.MaxRecords, 10*c.MaxCalls)
	if c.Policy == nil {
		c.Policy = policy.New(policy.Config{})
	}
	return &Control{config: c, records: newRecords(c.Wheel), rate: policy.NewRate(c.MaxRate)}
}

// Limits are the largest times that a request may ask for.
type Limits struct{ Ring, Keep time.Duration }

// Limits gives them, for interfaces that tell them in the words of their own fields.
func (c *Control) Limits() Limits { return Limits{Ring: c.config.MaxRing, Keep: c.config.MaxKeep} }

// Records is the number of records, those of calls that are over included.
func (c *Control) Records() int { return c.records.len() }

// Drain takes no more calls: Place answers call.Exhausted from now on. When it
// returns, every call that was taken before is in the engine.
func (c *Control) Drain() {
	c.gate.Lock()
	defer c.gate.Unlock()
	c.draining = true
}

// journalRetry is when a client may try again that was refused for the journal.
const journalRetry = 5 * time.Second

// admit hands a new call to the engine, unless a limit is reached.
func (c *Control) admit(id call.ID, o *call.Order) (*engine.Running, error) {
	c.gate.Lock()
	defer c.gate.Unlock()
	switch {
	case c.draining:
		return nil, exhausted("the server is going down and takes no new calls")
	case c.config.Engine.Len() >= c.config.MaxCalls:
		return nil, exhausted("the limit of %d calls at once is reached; try again later", c.config.MaxCalls)
	case c.records.len() >= c.config.MaxRecords:
		return nil, exhausted("the limit of %d calls that are remembered is reached; try again later", c.config.MaxRecords)
	}
	if c.config.Journal != nil {
		if err := c.config.Journal(); err != nil {
			return nil, &call.Error{Kind: call.Exhausted, RetryAfter: journalRetry, Text: "the journal cannot be written, without which no call is placed (journal.required): " + err.Error()}
		}
	}
	if after, ok := c.rate.Take(); !ok {
		return nil, &call.Error{Kind: call.Exhausted, RetryAfter: after, Text: fmt.Sprintf("the limit of %d new calls a second is reached; try again later", c.config.MaxRate)}
	}
	if r := c.config.Policy.Take(o.Agent.User); r != nil {
		return nil, refused(r)
	}
	running := c.config.Engine.Add(call.New(id, o))
	c.config.Policy.Began(o.Agent.User, running)
	return running, nil
}

func fault(k call.Kind, format string, args ...any) *call.Error {
	return &call.Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *call.Error { return fault(call.Invalid, format, args...) }

func exhausted(format string, args ...any) *call.Error { return fault(call.Exhausted, format, args...) }
