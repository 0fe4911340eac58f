package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"callcontroller/api"
	"callcontroller/client"
)

// cancelLimit is how long the server may take to cancel a call after Ctrl-C.
const cancelLimit = 10 * time.Second

// step is one thing that has become of a call.
type step struct {
	at   time.Time
	what string   // in plain words
	call api.Call // as it stands after it
	last bool     // nothing more will become of it; its legs are told to end before
}

func stepOf(e *api.Event) step { return step{e.Time, say(e), e.Call, e.IsLast()} }

// decided tells whether the parties are put together, or will not be.
func (s step) decided() bool { return s.last || together(&s.call) }

func (s step) print(out io.Writer) error {
	_, err := fmt.Fprintln(out, s.at.Local().Format(time.TimeOnly), s.what)
	return err
}

// together tells whether both parties have been put together.
func together(c *api.Call) bool {
	return c.ConnectedAt != nil || c.State == "connected" || c.State == "handed_off"
}

// errEnough stops the reading of steps.
var errEnough = errors.New("enough")

// follower follows a call that was just placed.
type follower struct {
	client *client.Client
	call   api.Call // as it stands, as far as is known
	show   func(step) error

	last  string // ID of the last event
	polls bool   // the server has no events: the call is looked at again and again
}

// followOrCancel follows the call to its end, or until it is decided. When ctx ends, by
// Ctrl-C, a call that rings is cancelled, and one that is connected goes on.
func (f *follower) followOrCancel(ctx context.Context, wait bool) error {
	err := f.follow(ctx, wait)
	switch {
	case ctx.Err() == nil || f.call.State == "ended":
		return f.ended(err)
	case together(&f.call):
		fmt.Fprintln(os.Stderr, "the call goes on; end it with: callcontroller hangup", clean(f.call.ID))
		return nil
	}
	fmt.Fprintln(os.Stderr, "cancelling the call; Ctrl-C leaves it")
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelLimit)
	defer stop()
	if err := f.client.Hangup(ctx, f.call.ID); err != nil && !isMissing(err) {
		return err
	}
	return f.ended(f.follow(ctx, wait))
}

// ended tells how it went. A connected call that the server has forgotten is over.
func (f *follower) ended(err error) error {
	if isMissing(err) && together(&f.call) {
		err = nil
	}
	if err != nil {
		return err
	}
	return errOf(f.call.Outcome)
}

// follow takes steps until the call has ended, or with wait until it is decided.
func (f *follower) follow(ctx context.Context, wait bool) error {
	take := func(s step) error {
		f.call = s.call
		if err := f.show(s); err != nil {
			return err
		}
		if s.last || wait && s.decided() {
			return errEnough
		}
		return nil
	}
	var err error
	if !f.polls {
		err = f.listen(ctx, take)
		f.polls = f.last == "" && hasNoEvents(err)
	}
	if f.polls {
		err = f.poll(ctx, take)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// listen takes steps from the server's events.
func (f *follower) listen(ctx context.Context, take func(step) error) error {
	for e, err := range f.client.Events(ctx, client.EventsOptions{Call: f.call.ID, After: f.last}) {
		if isGap(err) {
			continue
		}
		if err != nil {
			return err
		}
		f.last = e.ID
		if err := take(stepOf(&e)); err != nil {
			return err
		}
	}
	return nil
}

// poll takes steps by looking.
func (f *follower) poll(ctx context.Context, take func(step) error) error {
	for call, err := range f.client.Watch(ctx, f.call.ID) {
		if err != nil {
			return err
		}
		if err := take(step{time.Now(), stands(&call), call, call.State == "ended"}); err != nil {
			return err
		}
	}
	return nil
}

// isGap tells of events that are missing, and whether that is what the error is.
func isGap(err error) bool {
	gap, ok := errors.AsType[*client.GapError](err)
	if ok {
		fmt.Fprintln(os.Stderr, "callcontroller:", gap)
	}
	return ok
}

func isMissing(err error) bool { return isStatus(err, http.StatusNotFound) }

// hasNoEvents tells whether a server is one that keeps no events.
func hasNoEvents(err error) bool { return isMissing(err) || isStatus(err, http.StatusNotImplemented) }

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Problem.Status == status
}

// say puts an event into plain words.
func say(e *api.Event) string {
	words := strings.NewReplacer("call.leg.", "", "call.", "", ".", " ", "_", " ").Replace(e.Type)
	switch {
	case e.Leg != "":
		words = e.Leg + " " + words
	case e.Type == api.CallEnded && e.Call.Outcome != nil:
		words += ": " + ending(e.Call.Outcome)
	case e.Type == api.TransferStarted && e.Call.Transfer != nil:
		words += ": " + e.Call.Transfer.Target.Address + " for the " + e.Call.Transfer.Replaces
	}
	return clean(words)
}

// ending says how a call ended, such as "busy (486), by the callee".
func ending(o *api.Outcome) string {
	text := strings.ReplaceAll(o.Result, "_", " ")
	if o.SIPCode != 0 {
		text += fmt.Sprintf(" (%d)", o.SIPCode)
	}
	if o.EndedBy != "" {
		text += ", by the " + o.EndedBy
	}
	return text
}
