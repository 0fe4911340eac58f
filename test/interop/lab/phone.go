package lab

import (
	"context"
	"fmt"
	"time"
)

// Phone is one SIP program of the lab that can be called. Its methods may be
// used by one test at a time.
type Phone interface {
	// User is the phone's user name, and the user part of its address.
	User() string
	// Calls are the calls that the phone itself says it has.
	Calls(ctx context.Context) ([]Call, error)
	// Hangup ends every call of the phone; it does not wait for the end.
	Hangup(ctx context.Context) error
	// Trace is the file with the SIP messages that the phone sent and received.
	Trace() string

	start(ctx context.Context) error
	stop()
	running() bool
}

// Softphone is a phone that a person could use.
type Softphone interface {
	Phone
	// Dial places a call to a SIP URI; it does not wait for anything.
	Dial(ctx context.Context, uri string) error
	// Accept answers the call that rings.
	Accept(ctx context.Context) error
	// Hold puts the call on hold, by a re-INVITE; Resume takes it back.
	Hold(ctx context.Context) error
	Resume(ctx context.Context) error
	// Hears tells whether RTP arrives in the call, by the phone's own statistics.
	Hears(ctx context.Context) (bool, error)
}

// Call is one leg as the phone at its end sees it.
type Call struct {
	State   string // the phone's own word
	Peer    string // SIP URI of the other side; empty when linphone has placed the call
	Talking bool   // answered, acknowledged, and not on hold
}

func (c Call) String() string { return c.State + " " + c.Peer }

// Softphone is the phone of a user who has a baresip or linphone; nil otherwise.
func (l *Lab) Softphone(user string) Softphone {
	p, _ := l.phones[user].(Softphone)
	return p
}

// Idle ends all calls of the phones of users and waits until they have none. A
// phone that has died is started again.
func (l *Lab) Idle(ctx context.Context, users ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, user := range users {
		p := l.phones[user]
		if !p.running() {
			if err := l.restart(ctx, p); err != nil {
				return err
			}
		}
		if err := Poll(ctx, func() error { return hangupAll(ctx, p) }); err != nil {
			return fmt.Errorf("end the calls of phone %s: %w", user, err)
		}
	}
	return nil
}

func (l *Lab) restart(ctx context.Context, p Phone) error {
	p.stop()
	if err := p.start(ctx); err != nil {
		return fmt.Errorf("start phone %s again: %w", p.User(), err)
	}
	return l.proxy.waitRegistered(ctx, []string{p.User()})
}

// hangupAll returns an error as long as the phone has a call.
func hangupAll(ctx context.Context, p Phone) error {
	calls, err := p.Calls(ctx)
	if err != nil || len(calls) == 0 {
		return err
	}
	if err := p.Hangup(ctx); err != nil {
		return err
	}
	return fmt.Errorf("it has %v", calls)
}
