package main

import (
	"context"
	"fmt"
	"io"

	"callcontroller/api"
	"callcontroller/client"
)

// states are those in which a call can be listed.
const states = "queued,calling_caller,caller_ringing,caller_answered,calling_callee,callee_ringing,handed_off,connected,transferring"

type listCalls struct {
	remote

	Agent string `placeholder:"USER" help:"Only those placed on behalf of this user."`
	Party string `placeholder:"WHO" help:"Only those of this party: user, or user@host."`
	State string `placeholder:"STATE" enum:",${states}" default:"" help:"Only those in this state: ${states}."`
	Limit int    `default:"100" help:"At most so many."`
}

// Run implements the command.
func (l *listCalls) Run(out io.Writer) error {
	return l.ask(func(ctx context.Context, c *client.Client) error {
		calls := []api.Call{}
		for call, err := range c.All(ctx, client.Query{Agent: l.Agent, Party: l.Party, State: l.State}) {
			if err != nil {
				return err
			}
			if len(calls) >= l.Limit {
				break
			}
			calls = append(calls, call)
		}
		if l.Output == "json" {
			return indented(out, calls)
		}
		return table(out, calls)
	})
}

// oneCall is the call that is meant.
type oneCall struct {
	remote

	ID string `arg:"" help:"Name of the call."`
}

// print asks the server for a call, or to change it, and shows the answer.
func (o *oneCall) print(out io.Writer, do func(context.Context, *client.Client) (api.Call, error)) error {
	return o.ask(func(ctx context.Context, c *client.Client) error {
		call, err := do(ctx, c)
		switch {
		case err != nil:
			return err
		case o.Output == "json":
			return indented(out, call)
		}
		return details(out, &call)
	})
}

type showCall struct{ oneCall }

// Run implements the command.
func (s *showCall) Run(out io.Writer) error {
	return s.print(out, func(ctx context.Context, c *client.Client) (api.Call, error) { return c.Call(ctx, s.ID) })
}

type hangupCall struct{ oneCall }

// Run implements the command. What it says is not JSON, so with that it says nothing.
func (h *hangupCall) Run(out io.Writer) error {
	return h.ask(func(ctx context.Context, c *client.Client) error {
		if err := c.Hangup(ctx, h.ID); err != nil || h.Output == "json" {
			return err
		}
		_, err := fmt.Fprintln(out, "ended", h.ID)
		return err
	})
}

type moveCall struct {
	oneCall

	Target   string `arg:"" help:"Who takes the place: user, or user@host."`
	Replaces string `enum:"caller,callee" default:"caller" help:"Whose place: caller or callee."`
}

// Run implements the command.
func (m *moveCall) Run(out io.Writer) error {
	return m.print(out, func(ctx context.Context, c *client.Client) (api.Call, error) {
		return c.Transfer(ctx, m.ID, api.TransferCall{Target: m.Target, Replaces: m.Replaces})
	})
}

type holdCall struct{ oneCall }

// Run implements the command.
func (h *holdCall) Run(out io.Writer) error {
	return h.print(out, func(ctx context.Context, c *client.Client) (api.Call, error) { return c.Hold(ctx, h.ID) })
}

type resumeCall struct{ oneCall }

// Run implements the command.
func (r *resumeCall) Run(out io.Writer) error {
	return r.print(out, func(ctx context.Context, c *client.Client) (api.Call, error) { return c.Resume(ctx, r.ID) })
}
