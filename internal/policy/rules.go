package policy

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// Set is what one user may do as an agent. The zero value allows everything.
type Set struct {
	Calling, Called Dial     // whose phone may ring first, and who may be called from there
	PerMinute       int      // calls in any 60 s; 0 for no limit
	AtOnce          int      // calls that are not over; 0 for no limit
	PerDay          int      // calls from midnight to midnight; 0 for no limit
	Hours           []Window // when calls may be placed; none for always
}

// limited tells whether calls have to be counted.
func (s *Set) limited() bool { return s.PerMinute > 0 || s.AtOnce > 0 || s.PerDay > 0 }

// Config is the rules of all users.
type Config struct {
	Default Set
	Users   map[string]*Set // by name, complete; who is not in it has Default
	Zone    *time.Location  // of hours and days; default: the system's
}

// Rules decide who may call whom, when, and how often. All methods may be called at the
// same time. Use New.
type Rules struct {
	current atomic.Pointer[Config]
	usages  usages
}

// New makes rules.
func New(c Config) *Rules {
	r := &Rules{}
	r.Replace(c)
	return r
}

// Replace puts other rules in force. What was counted stays counted.
func (r *Rules) Replace(c Config) {
	if c.Zone == nil {
		c.Zone = time.Local //nolint:gosmopolitan // the system's time zone is meant
	}
	r.current.Store(&c)
}

// Party is one who is called: the user part, not escaped, and the host, "" for the SIP
// domain.
type Party struct{ User, Host string }

// Refusal tells why a call may not be placed.
type Refusal struct {
	Rule       string        // as the configuration has it, such as "policy.users.201.called.deny 00*"
	Text       string        // for the user
	RetryAfter time.Duration // when it may be; 0 when it will not, or nobody knows
	Limit      bool          // it is a matter of how often, not of whom or when
}

// CheckCalling tells whether a phone may be made to ring on behalf of an agent.
func (r *Rules) CheckCalling(agent string, p Party) *Refusal {
	s, at := r.of(agent)
	return dialled(&s.Calling, p, "calling party", at+".calling.")
}

// CheckCalled tells whether a party may be called on behalf of an agent.
func (r *Rules) CheckCalled(agent string, p Party) *Refusal {
	s, at := r.of(agent)
	return dialled(&s.Called, p, "called party", at+".called.")
}

func dialled(d *Dial, p Party, what, at string) *Refusal {
	if len(d.Allow)+len(d.Deny) == 0 {
		return nil
	}
	why := d.refuses(numberOf(p.User, p.Host))
	if why == "" {
		return nil
	}
	return &Refusal{Rule: at + why, Text: fmt.Sprintf("%s %q is not allowed (%s)", what, clip(p.User), at+why)}
}

// CheckHours tells whether an agent may place calls now.
func (r *Rules) CheckHours(agent string) *Refusal {
	s, at := r.of(agent)
	if len(s.Hours) == 0 {
		return nil
	}
	now := r.now()
	var after time.Duration
	for i := range s.Hours {
		if s.Hours[i].holds(now) {
			return nil
		}
		if wait := s.Hours[i].next(now).Sub(now); after == 0 || wait < after {
			after = wait
		}
	}
	rule := at + ".hours"
	return &Refusal{Rule: rule, RetryAfter: after, Text: fmt.Sprintf("calls may be placed at other times only (%s)", rule)}
}

// Take counts a call of an agent, unless he has had his share.
func (r *Rules) Take(agent string) *Refusal {
	s, at := r.of(agent)
	if !s.limited() {
		return nil
	}
	key, limit, after := r.usages.take(agent, s, r.now())
	if key == "" {
		return nil
	}
	rule := at + "." + key
	return &Refusal{Rule: rule, RetryAfter: after, Limit: true, Text: fmt.Sprintf("the limit of %d is reached (%s)", limit, rule)}
}

// Began tells of a call that was taken and has begun, so that it counts until it is over.
func (r *Rules) Began(agent string, call Ongoing) {
	if s, _ := r.of(agent); s.AtOnce > 0 {
		r.usages.began(agent, call)
	}
}

// of gives the rules of an agent, and where they stand.
func (r *Rules) of(agent string) (s *Set, at string) {
	c := r.current.Load()
	if s, ok := c.Users[agent]; ok {
		return s, "policy.users." + agent
	}
	return &c.Default, "policy.default"
}

func (r *Rules) now() time.Time { return time.Now().In(r.current.Load().Zone) }

// clip keeps foreign text in errors short.
func clip(s string) string {
	const longest = 64
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
