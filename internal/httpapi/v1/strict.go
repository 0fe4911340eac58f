package v1

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// mostNames is up to how many names of one object are looked at: what has more is refused
// anyway, by its schema.
const mostNames = 64

// names looks through JSON for objects that have a name twice.
type names struct {
	open  []int    // for each object that is open, where its names begin in had; -1 for an array
	had   [][]byte // names of the objects that are open
	await bool     // a name comes next, not a value
}

// repeated gives a name that comes twice in one object: which of them counts would be a
// guess (RFC 8259 section 4). What is no JSON is found by who reads it.
func repeated(body []byte) (string, bool) {
	var openRoom [8]int
	var hadRoom [32][]byte
	n := names{open: openRoom[:0], had: hadRoom[:0]}
	for i := 0; i < len(body); i++ {
		if body[i] != '"' {
			if !n.structure(body[i]) {
				return "", false
			}
			continue
		}
		end := stringEnd(body, i)
		if end < 0 {
			return "", false
		}
		if n.await && n.twice(body[i:end]) {
			return string(n.had[len(n.had)-1]), true
		}
		i = end - 1
	}
	return "", false
}

// structure takes a byte outside of strings; false if there is nothing that it could end.
func (n *names) structure(c byte) bool {
	switch c {
	case '{':
		n.open, n.await = append(n.open, len(n.had)), true
	case '[':
		n.open, n.await = append(n.open, -1), false
	case ',':
		n.await = len(n.open) > 0 && n.open[len(n.open)-1] >= 0
	case '}', ']':
		if len(n.open) == 0 {
			return false
		}
		if from := n.open[len(n.open)-1]; from >= 0 {
			n.had = n.had[:from]
		}
		n.open, n.await = n.open[:len(n.open)-1], false
	}
	return true
}

// twice takes a name, and tells whether its object has had it.
func (n *names) twice(quoted []byte) bool {
	n.await = false
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
		var s string
		if json.Unmarshal(quoted, &s) != nil {
			return false
		}
		name = []byte(s)
	}
	had := n.had[n.open[len(n.open)-1]:]
	if len(had) == mostNames {
		return false
	}
	n.had = append(n.had, name)
	for _, other := range had {
		if bytes.Equal(name, other) {
			return true
		}
	}
	return false
}

// stringEnd is where the string that begins at i has ended; -1 if it does not.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
