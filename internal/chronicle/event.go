package chronicle

import (
	"encoding/json"
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

// NewWriter makes one for a call as a step has left it, at a moment.
func NewWriter(c *call.Call, dialog Naming, at time.Time) (*Writer, error) {
	text, err := json.Marshal(CallOf(c, dialog))
	if err != nil {
		return nil, err
	}
	return &Writer{at, text}, nil
}

// Append adds an event with its number in the call to b.
func (w *Writer) Append(b []byte, c Change, seq uint64) []byte {
	b = append(append(b, `{"type":"`...), c.Type...)
	b = w.at.UTC().AppendFormat(append(b, `","time":"`...), time.RFC3339Nano)
	b = strconv.AppendUint(append(b, `","seq":`...), seq, 10)
	if c.Leg != "" {
		b = append(append(append(b, `,"leg":"`...), c.Leg...), '"')
	}
	return append(append(append(b, `,"call":`...), w.call...), '}')
}
