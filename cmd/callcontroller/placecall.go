package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"callcontroller/api"
	"callcontroller/client"
)

type placeCall struct {
	remote

	Caller string `arg:"" help:"Whose phone rings first: user, or user@host."`
	Callee string `arg:"" help:"Who is called then."`

	Method            string            `enum:"auto,refer,invite" default:"auto" help:"How it is set up: refer (the calling phone is told to call), invite (the server stays in the call, so that it can be held and transferred), auto (refer, and invite when the phone refuses that)."`
	Agent             string            `placeholder:"USER" help:"On whose behalf; the calling party when it is left out."`
	Subject           string            `placeholder:"TEXT" help:"SIP subject of the first INVITE."`
	CallerName        string            `placeholder:"TEXT" help:"Name that the calling party's phone shows."`
	CalleeName        string            `placeholder:"TEXT" help:"Name that the called party's phone shows (invite)."`
	RingTimeout       seconds           `placeholder:"TIME" help:"How long the calling party's phone rings, such as 30s."`
	CalleeRingTimeout seconds           `placeholder:"TIME" help:"How long the called party's rings (invite)."`
	MaxDuration       seconds           `placeholder:"TIME" help:"How long they may talk (invite)."`
	FollowForwards    bool              `help:"Follow the calling party's forwarding."`
	Metadata          map[string]string `mapsep:"none" placeholder:"KEY=VALUE" help:"Comes back with the call and its events. May be repeated."`
	IdempotencyKey    string            `placeholder:"TEXT" help:"The same command with the same key places one call, however often it is run within a day."`

	DryRun bool `xor:"then" help:"Tell whether it would be let through, and place none."`
	Watch  bool `xor:"then" help:"Print each step until the call has ended. Ctrl-C cancels it while it rings."`
	Wait   bool `xor:"then" help:"Wait until both parties are connected, or will not be. Ctrl-C cancels it."`
}

// Help is printed below the flags.
func (*placeCall) Help() string { return exitHelp }

func (p *placeCall) order() api.PlaceCall {
	o := api.PlaceCall{
		Caller: p.Caller, Callee: p.Callee, Agent: p.Agent, Method: p.Method, Subject: p.Subject,
		RingTimeout: int(p.RingTimeout), CalleeTimeout: int(p.CalleeRingTimeout), MaxDuration: int(p.MaxDuration),
		FollowForwards: p.FollowForwards, Metadata: p.Metadata,
	}
	if p.CallerName != "" || p.CalleeName != "" {
		o.CallerID = &api.CallerID{Caller: p.CallerName, Callee: p.CalleeName}
	}
	return o
}

// Run implements the command.
func (p *placeCall) Run(out io.Writer) error {
	return p.ask(func(ctx context.Context, c *client.Client) error {
		if p.DryRun {
			return p.check(ctx, c, out)
		}
		call, err := p.place(ctx, c)
		switch {
		case err != nil:
			return err
		case p.Watch || p.Wait:
			f := follower{client: c, call: call, show: p.show(out)}
			return f.followOrCancel(ctx, p.Wait)
		case p.Output == "json":
			return indented(out, call)
		}
		_, err = fmt.Fprintln(out, clean(call.ID), stands(&call))
		return err
	})
}

// place places the call. One that a key has placed already is shown as it stands now.
func (p *placeCall) place(ctx context.Context, c *client.Client) (api.Call, error) {
	key := p.IdempotencyKey
	if key == "" {
		key = rand.Text()
	}
	call, replayed, err := c.PlaceOnce(ctx, key, p.order())
	if err != nil || !replayed {
		return call, err
	}
	fmt.Fprintln(os.Stderr, "this key has placed the call before; nothing rings anew")
	now, err := c.Call(ctx, call.ID)
	if isMissing(err) {
		return call, nil // It has been over for long.
	}
	return now, err
}

func (p *placeCall) check(ctx context.Context, c *client.Client, out io.Writer) error {
	answer, err := c.Check(ctx, p.order())
	if err != nil {
		return err
	}
	text := "allowed"
	switch {
	case !answer.Allowed && answer.Rule != "":
		text = fmt.Sprintf("not allowed: %s (rule %s)", clean(answer.Reason), clean(answer.Rule))
	case !answer.Allowed:
		text = "not allowed: " + clean(answer.Reason)
	}
	if p.Output == "json" {
		err = indented(out, answer)
	} else {
		_, err = fmt.Fprintln(out, text)
	}
	if err == nil && !answer.Allowed {
		err = errDenied
	}
	return err
}

// show gives what prints the steps of a call: each with --watch, the last with --wait.
func (p *placeCall) show(out io.Writer) func(step) error {
	return func(s step) error {
		switch {
		case p.Wait && !s.decided():
			return nil
		case p.Output == "json":
			return json.NewEncoder(out).Encode(s.call)
		case p.Wait:
			_, err := fmt.Fprintln(out, clean(s.call.ID), stands(&s.call))
			return err
		}
		return s.print(out)
	}
}

// seconds is a time such as 30s, 1m30s or 30.
type seconds int

// UnmarshalText reads it.
func (s *seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.Atoi(string(text)); err == nil {
		text = []byte(strconv.Itoa(n) + "s")
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < time.Second || d%time.Second != 0 {
		return fmt.Errorf("%q must be whole seconds above zero, such as 30s, 1m30s or 30", text)
	}
	*s = seconds(d / time.Second)
	return nil
}
