package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"callcontroller/api"
	"callcontroller/client"
)

// exitStatus tells scripts how a call went; what is not here is 0.
var exitStatus = map[string]int{
	"busy": 3, "no_answer": 4, "rejected": 5, "unreachable": 6, "cancelled": 7, "timeout": 8, "failed": 9, "unknown": 10,
}

// notConnected is the result of a call whose parties were not put together.
type notConnected string

func (n notConnected) Error() string { return string(n) }

// cancelLimit is how long the server may take to cancel a call after Ctrl-C.
const cancelLimit = 10 * time.Second

type placeCall struct {
	remote

	Caller      string            `arg:"" help:"Whose phone rings first: user, or user@host."`
	Callee      string            `arg:"" help:"Who is called then."`
	Agent       string            `placeholder:"USER" help:"On whose behalf; the calling party when it is left out."`
	Method      string            `enum:"auto,refer,invite" default:"auto" help:"How it is set up: auto, refer or invite."`
	Subject     string            `placeholder:"TEXT" help:"SIP subject of the first INVITE."`
	RingTimeout time.Duration     `placeholder:"TIME" help:"How long the calling party's phone rings, in whole seconds, such as 30s."`
	Metadata    map[string]string `mapsep:"none" placeholder:"KEY=VALUE" help:"Comes back with the call. May be repeated."`
	Watch       bool              `help:"Print each step until the call has ended. Ctrl-C cancels it while it rings."`
	Wait        bool              `help:"Wait until both parties are connected, or will not be. Ctrl-C cancels it."`
}

// Help is printed below the flags.
func (*placeCall) Help() string {
	return "Exit status with --watch or --wait: 0 completed or connected, 1 error, 3 busy, 4 no answer, 5 rejected, 6 unreachable, 7 cancelled, 8 timeout, 9 failed, 10 unknown."
}

// Run implements the command.
func (p *placeCall) Run(out io.Writer) error {
	if p.RingTimeout < 0 || p.RingTimeout%time.Second != 0 {
		return fmt.Errorf("--ring-timeout %s: must be whole seconds", p.RingTimeout)
	}
	return p.ask(func(ctx context.Context, c *client.Client) error {
		call, err := c.Place(ctx, api.PlaceCall{
			Caller: p.Caller, Callee: p.Callee, Agent: p.Agent, Method: p.Method, Subject: p.Subject,
			RingTimeout: int(p.RingTimeout / time.Second), Metadata: p.Metadata,
		})
		if err != nil {
			return err
		}
		if !p.Watch && !p.Wait {
			return p.print(out, call)
		}
		return p.follow(ctx, c, call, out)
	})
}

func (p *placeCall) print(out io.Writer, call api.Call) error {
	if p.Output == "json" {
		return json.NewEncoder(out).Encode(call)
	}
	_, err := fmt.Fprintln(out, clean(call.ID), stands(&call))
	return err
}

// follow waits for the end, or with --wait for the connection.
func (p *placeCall) follow(ctx context.Context, c *client.Client, call api.Call, out io.Writer) error {
	for now, err := range c.Watch(ctx, call.ID) {
		if ctx.Err() != nil {
			return cancel(c, call)
		}
		if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Status == http.StatusNotFound && together(call) {
			return nil // It was connected, and is over.
		}
		if err != nil {
			return err
		}
		call = now
		decided := call.State == "ended" || p.Wait && together(call)
		if p.Watch || decided {
			if err := p.print(out, call); err != nil {
				return err
			}
		}
		if decided {
			break
		}
	}
	return result(call)
}

// together tells whether both parties have been put together.
func together(c api.Call) bool {
	return c.ConnectedAt != nil || c.State == "connected" || c.State == "handed_off"
}

// cancel ends a call that rings, after Ctrl-C; one that is connected goes on.
func cancel(c *client.Client, call api.Call) error {
	if together(call) {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), cancelLimit)
	defer stop()
	if err := c.Hangup(ctx, call.ID); err != nil {
		return err
	}
	return notConnected("cancelled")
}

func result(c api.Call) error {
	if c.Outcome == nil || exitStatus[c.Outcome.Result] == 0 {
		return nil
	}
	return notConnected(c.Outcome.Result)
}
