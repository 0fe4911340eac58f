package main

import (
	"context"
	"io"
	"time"

	"callcontroller/client"
	"callcontroller/internal/ladder"
)

type showLadder struct {
	oneCall

	Full bool `help:"Each message as a whole, in the place of its first line."`
}

// Run implements the command.
func (s *showLadder) Run(out io.Writer) error {
	return s.ask(func(ctx context.Context, c *client.Client) error {
		m, err := c.Messages(ctx, s.ID)
		switch {
		case err != nil:
			return err
		case s.Output == "json":
			return indented(out, m)
		case s.Full:
			return ladder.PrintWhole(out, m.Messages, time.Local)
		}
		return ladder.Print(out, m.Messages, time.Local)
	})
}
