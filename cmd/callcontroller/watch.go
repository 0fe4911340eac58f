package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"callcontroller/api"
	"callcontroller/client"
)

type watch struct {
	remote

	ID    string   `arg:"" optional:"" help:"Name of the call; without it all that you may see, from now on."`
	Agent string   `placeholder:"USER" help:"Only calls placed on behalf of this user."`
	Type  []string `placeholder:"TYPE" help:"Only events of this type, such as call.connected. May be repeated."`
	After string   `placeholder:"EVENT" help:"Begin behind the event with this id."`
}

// Help is printed below the flags.
func (*watch) Help() string { return exitHelp }

// Run implements the command. Ctrl-C is how one stops to look at all calls.
func (w *watch) Run(out io.Writer) error {
	err := w.ask(func(ctx context.Context, c *client.Client) error {
		o := client.EventsOptions{Call: w.ID, Agent: w.Agent, Types: w.Type, After: w.After}
		for e, err := range c.Events(ctx, o) {
			if isGap(err) {
				continue
			}
			if err != nil {
				return err
			}
			if err := w.print(out, &e); err != nil {
				return err
			}
			if w.ID != "" && e.IsLast() {
				return errOf(e.Call.Outcome)
			}
		}
		return nil
	})
	if errors.Is(err, errInterrupted) && w.ID == "" {
		return nil
	}
	return err
}

func (w *watch) print(out io.Writer, e *api.Event) error {
	if w.Output == "json" {
		return json.NewEncoder(out).Encode(e)
	}
	c := &e.Call
	_, err := fmt.Fprintf(out, "%s  %s  %s -> %s  %s\n", e.Time.Local().Format(time.TimeOnly), clean(c.ID),
		clean(c.Caller.Address), clean(c.Callee.Address), say(e))
	return err
}
