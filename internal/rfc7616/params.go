package rfc7616

import (
	"errors"
	"fmt"
	"strings"
)

// Params reads the comma-separated parameters of a challenge or of credentials: name = token or quoted string (RFC 3261 section 25.1,
// auth-param). Names come in any case, white space (folded lines too) may stand around "=" and ",".
type Params struct{ rest string }

// NewParams reads what stands behind the scheme.
func NewParams(text string) *Params { return &Params{text} }

// Next gives the next parameter, its value without quotes and escapes. An empty name and no error is the end.
func (p *Params) Next() (name, value string, err error) {
	p.skip(" \t\r\n,")
	if p.rest == "" {
		return "", "", nil
	}
	name = p.until(" \t\r\n=,\"")
	if name == "" || HasControl(name) {
		return "", "", fmt.Errorf("parameter name expected at %q", Clip(p.rest))
	}
	p.skip(" \t\r\n")
	if !strings.HasPrefix(p.rest, "=") {
		return "", "", fmt.Errorf("parameter %q has no value", Clip(name))
	}
	p.rest = p.rest[1:]
	p.skip(" \t\r\n")
	if value, err = p.value(); err != nil {
		return "", "", fmt.Errorf("parameter %q: %w", Clip(name), err)
	}
	return name, value, p.end(name)
}

// value reads a token or a quoted string. Tokens are taken liberally, since some servers leave the quotes out.
func (p *Params) value() (string, error) {
	if strings.HasPrefix(p.rest, `"`) {
		return p.quoted()
	}
	v := p.until(" \t\r\n,\"")
	if v == "" {
		return "", errors.New("value is empty")
	}
	if HasControl(v) {
		return "", errors.New("value has a control character")
	}
	return v, nil
}

// quoted reads a quoted string. Control characters are refused, escaped or not: the value goes out again in a header of ours.
func (p *Params) quoted() (string, error) {
	s := p.rest[1:]
	end := strings.IndexAny(s, `"\`)
	if end >= 0 && s[end] == '"' { // The usual case, without a copy.
		p.rest = s[end+1:]
		return s[:end], checkControl(s[:end])
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			p.rest = s[i+1:]
			return b.String(), checkControl(b.String())
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", errors.New("quoted string does not end")
}

// end makes sure that a comma or the end follows a value.
func (p *Params) end(name string) error {
	p.skip(" \t\r\n")
	if p.rest != "" && p.rest[0] != ',' {
		return fmt.Errorf("parameter %q: comma expected at %q", Clip(name), Clip(p.rest))
	}
	return nil
}

func (p *Params) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

func (p *Params) until(stop string) string {
	i := strings.IndexAny(p.rest, stop)
	if i < 0 {
		i = len(p.rest)
	}
	v := p.rest[:i]
	p.rest = p.rest[i:]
	return v
}

func checkControl(s string) error {
	if HasControl(s) {
		return errors.New("value has a control character")
	}
	return nil
}

// Clip keeps foreign text in error messages short.
func Clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most]
	}
	return s
}

// AppendQuoted appends `, name="value"` with the value escaped, so that nothing in it can end the quoted string. The caller has refused
// control characters.
func AppendQuoted(b []byte, name, value string) []byte {
	b = appendName(b, name)
	b = append(b, '"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}

// AppendToken appends `, name=value`. The value must be a token of ours, or one that was compared with a list.
func AppendToken(b []byte, name, value string) []byte {
	return append(appendName(b, name), value...)
}

func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != ' ' { // Right after "Digest " there is no comma.
		b = append(b, ", "...)
	}
	b = append(b, name...)
	return append(b, '=')
}

// HasControl tells whether a string has an octet that may not stand in a quoted string of a SIP header (RFC 3261 section 25.1). HTAB
// would be allowed there, but nobody needs it.
func HasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
