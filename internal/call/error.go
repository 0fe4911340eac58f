package call

import (
	"errors"
	"time"
)

// Kind is the kind of an Error: what its receiver can do about it.
type Kind uint8

// The kinds of errors. One table turns a kind into an HTTP status.
const (
	Internal   Kind = iota // a fault of ours
	Invalid                // the request is wrong
	Denied                 // that may not be done
	NotAgent               // the principal may not act for that agent
	Missing                // there is no such thing
	Conflict               // not in this state
	Exhausted              // a limit of the server is reached, or it is going down: try later
	Limited                // the principal has had his share for now: try later
	BadUser                // the agent is not in the directory
	BadMethod              // the method of call set-up is not supported
	OutOfScope             // the credentials do not allow that, whoever they are of
)

// Error is the one error type of the use cases: Text is for the user and names the
// field, the value and the rule.
type Error struct {
	Kind Kind
	Text string
	// RetryAfter is when another try may help, with Exhausted and Limited; 0 when
	// that cannot be told.
	RetryAfter time.Duration
	Rule       string // the name of the rule of the policy that says so; "" for none
	Scope      string // what the credentials lack, with OutOfScope
	Err        error  // the cause, if any; not for the user
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the kind of err, Internal when it is none of ours.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
