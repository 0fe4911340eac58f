package chronicle

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"callcontroller/api"
)

// What follows writes the same as package encoding/json, in a tenth of the time: each step
// of each call is written once. A test holds both together.

// appendCall adds the JSON of a call to b.
func appendCall(b []byte, c *api.Call) []byte {
	b = text(append(b, '{'), "id", c.ID)
	b = text(append(b, ','), "state", c.State)
	b = text(append(b, ','), "method", c.Method)
	b = text(append(b, ','), "agent", c.Agent)
	b = appendParty(append(b, `,"caller":`...), &c.Caller)
	b = appendParty(append(b, `,"callee":`...), &c.Callee)
	b = optional(b, "subject", c.Subject)
	b = appendMetadata(b, c.Metadata)
	b = stamp(append(b, `,"created_at":`...), c.CreatedAt)
	if c.ConnectedAt != nil {
		b = stamp(append(b, `,"connected_at":`...), *c.ConnectedAt)
	}
	if c.EndedAt != nil {
		b = stamp(append(b, `,"ended_at":`...), *c.EndedAt)
	}
	b = appendLegs(b, c.Legs)
	if t := c.Transfer; t != nil {
		b = appendParty(append(b, `,"transfer":{"target":`...), &t.Target)
		b = text(append(b, ','), "replaces", t.Replaces)
		b = append(strconv.AppendBool(append(b, `,"ringing":`...), t.Ringing), '}')
	}
	if o := c.Outcome; o != nil {
		b = text(append(b, `,"outcome":{`...), "result", o.Result)
		b = optional(b, "failed_leg", o.FailedLeg)
		if o.SIPCode != 0 {
			b = strconv.AppendInt(append(b, `,"sip_code":`...), int64(o.SIPCode), 10)
		}
		b = append(text(append(b, ','), "ended_by", o.EndedBy), '}')
	}
	return append(b, '}')
}

func appendParty(b []byte, p *api.Party) []byte {
	b = text(append(b, '{'), "address", p.Address)
	b = optional(b, "name", p.Name)
	return append(optional(b, "user", p.User), '}')
}

func appendMetadata(b []byte, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	b = append(b, `,"metadata":{`...)
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = quote(append(quote(b, name), ':'), m[name])
	}
	return append(b, '}')
}

func appendLegs(b []byte, legs []api.Leg) []byte {
	if len(legs) == 0 {
		return b
	}
	b = append(b, `,"legs":[`...)
	for i := range legs {
		l := &legs[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = text(append(b, '{'), "role", l.Role)
		b = appendParty(append(b, `,"party":`...), &l.Party)
		b = text(append(b, ','), "state", l.State)
		if l.Held {
			b = append(b, `,"held":true`...)
		}
		b = append(optional(b, "sip_call_id", l.SIPCallID), '}')
	}
	return append(b, ']')
}

// optional adds a member behind others, unless it is empty.
func optional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return text(append(b, ','), name, value)
}

// text adds a member.
func text(b []byte, name, value string) []byte {
	b = append(append(append(b, '"'), name...), `":`...)
	return quote(b, value)
}

// quote adds a string: as it is, if there is nothing in it that JSON, or HTML, would read
// otherwise.
func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			odd, _ := json.Marshal(s) // A string can always be written.
			return append(b, odd...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func stamp(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}
