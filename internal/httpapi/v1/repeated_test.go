package v1

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzRepeated: in JSON the same names are found as by one who reads every token of it.
func FuzzRepeated(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `{"a":1,"b":[{"a":1},{"a":2}],"c":{"a":"b","b":"a"}}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `[{"a":1,"\u0061":2}]`,
		`{"a":["a","a"],"b":"a"}`, `{"\"":1,"\\":2,"\"":3}`, `{"":1,"":2}`, "{\"\xff\":1,\"\xfe\":2}", `{"a":{"a":{"a":1}},"a":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, got := repeated(b)
		if !json.Valid(b) {
			return
		}
		if want, found := repeatedByTokens(b); got != found || name != want {
			t.Errorf("%q: %q %v, want %q %v", b, name, got, want, found)
		}
	})
}

type level struct {
	names map[string]bool // nil for an array
	value bool            // a value comes next, not a name
}

func repeatedByTokens(body []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	levels := []*level{{}}
	for {
		token, err := d.Token()
		if err != nil {
			return "", false
		}
		top := levels[len(levels)-1]
		if name, ok := token.(string); ok && top.names != nil && !top.value {
			if top.names[name] {
				return name, true
			}
			if len(top.names) < mostNames {
				top.names[name] = true
			}
			top.value = true
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
