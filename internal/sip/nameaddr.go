package sip

import (
	"errors"
	"fmt"
	"strings"
)

// NameAddr is the value of From, To, Contact, Route, Refer-To and their like:
// a URI with an optional display name, and the parameters of the field.
type NameAddr struct {
	Display string // decoded; "" when there is none
	URI     URI
	Params  Params // of the field, not of the URI
}

// ErrNameAddr is wrapped by all errors of ParseNameAddr.
var ErrNameAddr = errors.New("not an address")

// ParseNameAddr reads one name-addr or addr-spec. Without angle brackets all
// parameters belong to the field (RFC 3261 section 20.10).
func ParseNameAddr(s string) (NameAddr, error) {
	s = strings.Trim(s, " \t")
	open := indexAngle(s)
	if open < 0 {
		return parseAddrSpec(s)
	}
	end := strings.IndexByte(s[open:], '>')
	if end < 0 {
		return NameAddr{}, fmt.Errorf("%w: %q has no closing >", ErrNameAddr, clip(s))
	}
	display := strings.Trim(s[:open], " \t")
	if strings.HasPrefix(display, `"`) && (len(display) < 2 || !strings.HasSuffix(display, `"`)) {
		return NameAddr{}, fmt.Errorf("%w: %q has an open quote", ErrNameAddr, clip(s))
	}
	u, err := ParseURI(s[open+1 : open+end])
	if err != nil {
		return NameAddr{}, fmt.Errorf("%w: %w", ErrNameAddr, err)
	}
	params, ok := checkParams(s[open+end+1:])
	if !ok {
		return NameAddr{}, fmt.Errorf("%w: %q has text behind the >", ErrNameAddr, clip(s))
	}
	return NameAddr{Display: Unquote(display), URI: u, Params: params}, nil
}

// indexAngle finds the "<" outside the quoted display name.
func indexAngle(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '<' && !quoted:
			return i
		}
	}
	return -1
}

func parseAddrSpec(s string) (NameAddr, error) {
	spec, tail := s, ""
	// Behind the "@": a ";" before it belongs to the user part.
	if semi := strings.IndexByte(s[strings.IndexByte(s, '@')+1:], ';'); semi >= 0 {
		semi += strings.IndexByte(s, '@') + 1
		spec, tail = s[:semi], s[semi:]
	}
	u, err := ParseURI(strings.TrimRight(spec, " \t"))
	if err != nil {
		return NameAddr{}, fmt.Errorf("%w: %w", ErrNameAddr, err)
	}
	params, ok := checkParams(tail)
	if !ok || u.Headers != "" {
		return NameAddr{}, fmt.Errorf("%w: %q needs angle brackets", ErrNameAddr, clip(s))
	}
	return NameAddr{URI: u, Params: params}, nil
}

// Tag is the tag parameter, "" when there is none.
func (a NameAddr) Tag() string {
	tag, _ := a.Params.Get("tag")
	return tag
}

// String writes the address with angle brackets, and the display name quoted.
func (a NameAddr) String() string {
	b := make([]byte, 0, 96)
	if a.Display != "" {
		b = append(b, Quote(a.Display)...)
		b = append(b, ' ')
	}
	b = append(b, '<')
	b = a.URI.AppendTo(b)
	b = append(b, '>')
	return string(append(b, a.Params...))
}
