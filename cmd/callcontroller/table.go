package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"callcontroller/api"
)

func indented(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// table prints calls, one a line.
func table(out io.Writer, calls []api.Call) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tCALLER\tCALLEE\tAGENT\tSINCE")
	for i := range calls {
		c := &calls[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", clean(c.ID), stands(c), clean(c.Caller.Address),
			clean(c.Callee.Address), clean(c.Agent), moment(&c.CreatedAt))
	}
	return w.Flush()
}

// details prints all of a call, one thing a line.
func details(out io.Writer, c *api.Call) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, clean(value))
		}
	}
	line("id", c.ID)
	line("state", stands(c))
	line("method", c.Method)
	line("agent", c.Agent)
	line("caller", who(&c.Caller))
	line("callee", who(&c.Callee))
	line("subject", c.Subject)
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		line("metadata", key+"="+c.Metadata[key])
	}
	line("placed", moment(&c.CreatedAt))
	line("connected", moment(c.ConnectedAt))
	line("ended", moment(c.EndedAt))
	for i := range c.Legs {
		line("leg", legLine(&c.Legs[i]))
	}
	if t := c.Transfer; t != nil {
		line("transfer", "to "+who(&t.Target)+", for the "+t.Replaces)
	}
	return w.Flush()
}

func legLine(l *api.Leg) string {
	text := l.Role + " " + l.Party.Address + ", " + l.State
	if l.Held {
		text += ", on hold"
	}
	if l.SIPCallID != "" {
		text += ", Call-ID " + l.SIPCallID
	}
	return text
}

func who(p *api.Party) string {
	if p.Name == "" {
		return p.Address
	}
	return p.Address + " (" + p.Name + ")"
}

// moment is a time of day with its date, in the zone of this machine; "" for none.
func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// stands is the state, and how it ended, in plain words.
func stands(c *api.Call) string {
	text := strings.ReplaceAll(c.State, "_", " ")
	if c.Outcome != nil {
		text += ": " + ending(c.Outcome)
	}
	return clean(text)
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
