package sip

import (
	"iter"
	"strings"
)

// Params are the parameters of a URI or header value as they stand: empty, or
// text that starts with ";". Names are compared without regard to case. Nothing
// is decoded or reordered, so nothing is lost on the way through.
type Params string

// All yields name and value of each parameter in order; the value is "" where
// there is no "=", and keeps its quotes.
func (p Params) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		rest := string(p)
		for rest != "" {
			rest = rest[1:]
			end := indexOutside(rest, ';')
			name, value, _ := strings.Cut(rest[:end], "=")
			name = strings.Trim(name, " \t")
			if name != "" && !yield(name, strings.Trim(value, " \t")) {
				return
			}
			rest = rest[end:]
		}
	}
}

// Get returns the value of the first parameter of that name without its quotes,
// and whether the parameter is there at all.
func (p Params) Get(name string) (value string, ok bool) {
	for n, v := range p.All() {
		if strings.EqualFold(n, name) {
			return Unquote(v), true
		}
	}
	return "", false
}

// Has tells whether the parameter is there, with or without a value.
func (p Params) Has(name string) bool {
	_, ok := p.Get(name)
	return ok
}

// With gives p with one parameter more, or with another value for it. An empty
// value writes the name alone. The value must be of the grammar of its place:
// a token, a host, a quoted-string (see Quote).
func (p Params) With(name, value string) Params {
	item := ";" + name
	if value != "" {
		item += "=" + value
	}
	if !p.Has(name) {
		return p + Params(item)
	}
	var b strings.Builder
	for n, v := range p.All() {
		switch {
		case strings.EqualFold(n, name):
			b.WriteString(item)
			item = ""
		case v == "":
			b.WriteString(";" + n)
		default:
			b.WriteString(";" + n + "=" + v)
		}
	}
	return Params(b.String())
}

// checkParams refuses what cannot be read as parameters: text that does not start
// with ";", and what would hide whatever is put behind: a quote that does not close,
// or an angle bracket outside quotes, where no token has one; and control characters,
// which are not written. A backslash escapes in a quoted-string only (RFC 3261 section
// 25.1).
func checkParams(s string) (Params, bool) {
	s = strings.Trim(s, " \t")
	if s == "" {
		return "", true
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isControl(rune(c)):
			return Params(s), false
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			return Params(s), false
		}
	}
	return Params(s), s[0] == ';' && !quoted
}
