package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"callcontroller/api"
	"callcontroller/client"
)

type ladder struct {
	oneCall

	Full bool `help:"Each message as a whole, in the place of its first line."`
}

// Run implements the command.
func (l *ladder) Run(out io.Writer) error {
	return l.ask(func(ctx context.Context, c *client.Client) error {
		m, err := c.Messages(ctx, l.ID)
		switch {
		case err != nil:
			return err
		case l.Output == "json":
			return indented(out, m)
		case l.Full:
			return printWhole(out, m.Messages)
		}
		return printLadder(out, m.Messages)
	})
}

// timeForm is that of messages: what follows in a millisecond matters.
const timeForm = "15:04:05.000"

func printLadder(out io.Writer, list []api.Message) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tLEG\t\tPEER\tMESSAGE")
	for i := range list {
		m := &list[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Time.Local().Format(timeForm), clean(m.Leg), arrow(m), clean(m.Peer), clean(m.StartLine))
	}
	return w.Flush()
}

func printWhole(out io.Writer, list []api.Message) error {
	for i := range list {
		m := &list[i]
		_, err := fmt.Fprintf(out, "%s %s %s %s\n\n%s\n\n", m.Time.Local().Format(timeForm), clean(m.Leg), arrow(m), clean(m.Peer), lines(m.Text))
		if err != nil {
			return err
		}
	}
	return nil
}

// arrow is the direction, seen from the server.
func arrow(m *api.Message) string {
	if m.Direction == "sent" {
		return "->"
	}
	return "<-"
}

// lines is clean for a text of many lines.
func lines(text string) string {
	list := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	for i, line := range list {
		list[i] = "  " + clean(strings.TrimSuffix(line, "\r"))
	}
	return strings.Join(list, "\n")
}
