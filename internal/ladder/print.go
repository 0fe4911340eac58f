package ladder

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"callcontroller/api"
)

// timeForm is that of messages: what follows in a millisecond matters.
const timeForm = "15:04:05.000"

// Print writes a ladder, one line a message, with its time in a zone.
func Print(out io.Writer, list []api.Message, zone *time.Location) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tLEG\t\tPEER\tMESSAGE")
	for i := range list {
		m := &list[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Time.In(zone).Format(timeForm), clean(m.Leg), arrow(m), clean(m.Peer), clean(m.StartLine))
	}
	return w.Flush()
}

// PrintWhole is Print with each message as a whole in the place of its first line.
func PrintWhole(out io.Writer, list []api.Message, zone *time.Location) error {
	for i := range list {
		m := &list[i]
		_, err := fmt.Fprintf(out, "%s  %s  %s  %s\n\n%s\n\n", m.Time.In(zone).Format(timeForm), clean(m.Leg), arrow(m), clean(m.Peer), indented(m.Text))
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

// indented sets the lines of a message off.
func indented(text string) string {
	list := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	for i, line := range list {
		list[i] = strings.TrimRight("  "+clean(strings.TrimSuffix(line, "\r")), " ")
	}
	return strings.Join(list, "\n")
}
