package chronicle

import (
	"strconv"
	"time"

	"callcontroller/internal/call"
)

// Writer writes the events of one step as the JSON of api.Event, without the member id,
// which they get by being stored.
type Writer struct {
	at   time.Time
	call []byte
}

// NewWriter makes one for a call as a step has left it, at a moment. It uses room from its
// start on.
func NewWriter(room []byte, c *call.Call, dialog Naming, at time.Time) Writer {
	shown := CallOf(c, dialog)
	return Writer{at, appendCall(room[:0], &shown)}
}

// Append adds an event with its number in the call to b.
func (w Writer) Append(b []byte, c Change, seq uint64) []byte {
	b = append(append(b, `{"type":"`...), c.Type...)
	b = w.at.UTC().AppendFormat(append(b, `","time":"`...), time.RFC3339Nano)
	b = strconv.AppendUint(append(b, `","seq":`...), seq, 10)
	if c.Leg != "" {
		b = append(append(append(b, `,"leg":"`...), c.Leg...), '"')
	}
	return append(append(append(b, `,"call":`...), w.call...), '}')
}
