package v1

import (
	"bytes"
	"encoding/json"
)

// level is an object or array that is being read.
type level struct {
	names map[string]bool // that the object has had; nil for an array
	value bool            // a value comes next, not a name
}

// repeated gives a name that comes twice in one object: which of them counts would be a
// guess (RFC 8259 section 4). What is no JSON is found by who reads it.
func repeated(body []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	levels := []*level{{}}
	for {
		token, err := d.Token()
		if err != nil || len(levels) == 0 {
			return "", false
		}
		top := levels[len(levels)-1]
		if name, ok := token.(string); ok && top.names != nil && !top.value {
			if top.names[name] {
				return name, true
			}
			top.names[name], top.value = true, true
			continue
		}
		top.value = false
		switch token {
		case json.Delim('{'):
			levels = append(levels, &level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, &level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
	}
}
