package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"callcontroller/api"
	"callcontroller/client"
)

type listCalls struct {
	remote

	Agent string `placeholder:"USER" help:"Only those placed on behalf of this user."`
	Party string `placeholder:"WHO" help:"Only those of this party: user, or user@host."`
	State string `placeholder:"STATE" help:"Only those in this state, such as connected."`
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
		return table(out, calls...)
	})
}

// oneCall is the call that is meant.
type oneCall struct {
	remote

	ID string `arg:"" help:"Name of the call."`
}

// change prints the call as what was asked of the server left it.
func (o *oneCall) change(out io.Writer, do func(context.Context, *client.Client) (api.Call, error)) error {
	return o.ask(func(ctx context.Context, c *client.Client) error {
		call, err := do(ctx, c)
		if err != nil {
			return err
		}
		if o.Output == "json" {
			return indented(out, call)
		}
		return table(out, call)
	})
}

type showCall struct{ oneCall }

// Run implements the command.
func (s *showCall) Run(out io.Writer) error {
	return s.change(out, func(ctx context.Context, c *client.Client) (api.Call, error) { return c.Call(ctx, s.ID) })
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
	return m.change(out, func(ctx context.Context, c *client.Client) (api.Call, error) {
		return c.Transfer(ctx, m.ID, api.TransferCall{Target: m.Target, Replaces: m.Replaces})
	})
}

type holdCall struct{ oneCall }

// Run implements the command.
func (h *holdCall) Run(out io.Writer) error {
	return h.change(out, func(ctx context.Context, c *client.Client) (api.Call, error) { return c.Hold(ctx, h.ID) })
}

type resumeCall struct{ oneCall }

// Run implements the command.
func (r *resumeCall) Run(out io.Writer) error {
	return r.change(out, func(ctx context.Context, c *client.Client) (api.Call, error) { return c.Resume(ctx, r.ID) })
}

func indented(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func table(out io.Writer, calls ...api.Call) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tCALLER\tCALLEE\tAGENT\tSINCE")
	for i := range calls {
		c := &calls[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", clean(c.ID), stands(c), clean(c.Caller.Address),
			clean(c.Callee.Address), clean(c.Agent), c.CreatedAt.Format(time.RFC3339))
	}
	return w.Flush()
}

// stands is the state, and how it ended.
func stands(c *api.Call) string {
	if c.Outcome == nil {
		return clean(c.State)
	}
	return clean(c.State + ": " + c.Outcome.Result)
}

// clean takes out what could move the cursor of a terminal: phones choose such text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
