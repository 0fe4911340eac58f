package sip

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of what Parse takes. They are far above anything that a phone sends.
const (
	MaxMessageSize = 64 * 1024 // bytes, what a UDP datagram can hold
	MaxFields      = 256       // header fields of a message
)

// Errors of Parse: nothing can be made of these bytes, not even an answer.
var (
	ErrEmpty       = errors.New("no SIP message: only white space")
	ErrStartLine   = errors.New("no SIP message: the first line is neither a request line nor a status line")
	ErrTooLarge    = fmt.Errorf("message larger than %d bytes", MaxMessageSize)
	ErrTooManyHead = fmt.Errorf("more than %d header fields", MaxFields)
	ErrTruncated   = errors.New("message ends before the empty line that ends the header")
)

// Parse reads one message. Empty lines before it are skipped (RFC 3261 section
// 7.5). It fails only when the bytes cannot be represented as a message; what can
// be represented but is not valid, Validate tells, so that it can be answered.
//
// The message holds one copy of data; data may be used again by the caller.
// Without a Content-Length the body is all that follows the header, as a datagram
// allows (section 18.3).
func Parse(data []byte) (*Message, error) {
	if len(data) > MaxMessageSize {
		return nil, ErrTooLarge
	}
	text := strings.TrimLeft(string(data), "\r\n")
	if text == "" {
		return nil, ErrEmpty
	}
	m := &Message{raw: text}
	line, rest, _ := cutLine(text)
	if err := m.parseStartLine(line); err != nil {
		return nil, err
	}
	rest, err := m.parseFields(rest)
	if err != nil {
		return nil, err
	}
	m.takeBody(rest)
	return m, nil
}

// cutLine splits off one line; CRLF and a bare LF both end it.
func cutLine(s string) (line, rest string, found bool) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		return s, "", false
	}
	line = s[:i]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, s[i+1:], true
}

func (m *Message) parseStartLine(line string) error {
	if len(line) > 8 && strings.EqualFold(line[:4], "SIP/") {
		return m.parseStatusLine(line)
	}
	method, rest, ok := strings.Cut(line, " ")
	if !ok || !IsToken(method) {
		return ErrStartLine
	}
	i := strings.LastIndexByte(rest, ' ')
	if i < 0 || len(rest)-i < 5 || !strings.EqualFold(rest[i+1:i+5], "SIP/") {
		// RFC 4475 section 3.1.2.10 and others: the version may be followed by
		// white space; that is a fault, but one with an answer.
		trimmed := strings.TrimRight(rest, " \t")
		i = strings.LastIndexByte(trimmed, ' ')
		if i < 0 || !strings.HasPrefix(strings.ToUpper(trimmed[i+1:]), "SIP/") {
			return ErrStartLine
		}
		rest = trimmed
		m.faultf("white space after the version in the request line")
	}
	m.Method, m.RequestURI, m.version = method, rest[:i], rest[i+1:]
	if m.RequestURI == "" || strings.ContainsAny(m.RequestURI, " \t<>") {
		m.faultf("Request-URI with white space or angle brackets")
	}
	return nil
}

func (m *Message) parseStatusLine(line string) error {
	version, rest, ok := strings.Cut(line, " ")
	if !ok || len(rest) < 3 || !strings.EqualFold(version, Version) {
		return ErrStartLine
	}
	if len(rest) > 3 && rest[3] != ' ' {
		return ErrStartLine
	}
	code, ok := parseUint(rest[:3], 699)
	if !ok || code < 100 {
		return ErrStartLine
	}
	m.version, m.Status = version, int(code)
	if len(rest) > 4 {
		m.Reason = rest[4:]
	}
	return nil
}

// faultf notes the first thing that is wrong in a message that could still be read.
func (m *Message) faultf(format string, args ...any) {
	if m.defect == nil {
		m.defect = fmt.Errorf(format, args...)
	}
}

// parseFields reads up to the empty line and returns what follows it.
func (m *Message) parseFields(rest string) (string, error) {
	m.Fields = make([]Field, 0, headLines(rest))
	for {
		line, next, found := cutLine(rest)
		if !found {
			return "", ErrTruncated
		}
		rest = next
		if line == "" {
			return rest, nil
		}
		if len(m.Fields) == MaxFields {
			return "", ErrTooManyHead
		}
		if startsFolded(rest) {
			line, rest = unfold(line, rest)
		}
		m.parseField(line)
	}
}

// headLines is how many lines there are before the empty line, about: the room that their
// fields take.
func headLines(s string) int {
	if end := strings.Index(s, "\r\n\r\n"); end >= 0 {
		s = s[:end]
	}
	return min(strings.Count(s, "\n")+1, MaxFields)
}

func startsFolded(s string) bool { return s != "" && (s[0] == ' ' || s[0] == '\t') }

// unfold joins continuation lines with one space each (RFC 3261 section 7.3.1).
func unfold(line, rest string) (joined, remaining string) {
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, " \t"))
	for startsFolded(rest) {
		more, next, found := cutLine(rest)
		if !found {
			break
		}
		b.WriteByte(' ')
		b.WriteString(strings.Trim(more, " \t"))
		rest = next
	}
	return b.String(), rest
}

func (m *Message) parseField(line string) {
	colon := strings.IndexByte(line, ':')
	if colon < 0 {
		m.faultf("header line without a colon")
		return
	}
	name := strings.TrimRight(line[:colon], " \t")
	if !IsToken(name) {
		m.faultf("header field name is not a token")
		return
	}
	value := strings.Trim(line[colon+1:], " \t")
	m.Fields = append(m.Fields, Field{Header: HeaderOf(name), Name: name, Value: value})
}

// takeBody cuts the body to the Content-Length; a wrong length is a fault
// (RFC 3261 section 18.3: a datagram shorter than it says is answered 400).
func (m *Message) takeBody(rest string) {
	n, given, err := m.contentLength()
	switch {
	case err != nil:
		m.faultf("%w", err)
	case !given:
		n = len(rest)
	case n > len(rest):
		m.faultf("Content-Length is %d but only %d bytes follow", n, len(rest))
		n = len(rest)
	}
	if err == nil && n > 0 {
		m.Body = []byte(rest[:n])
	}
}

func (m *Message) contentLength() (n int, given bool, err error) {
	for i := range m.Fields {
		if m.Fields[i].Header != ContentLength {
			continue
		}
		v, ok := parseUint(m.Fields[i].Value, MaxMessageSize)
		if !ok {
			return 0, false, fmt.Errorf("Content-Length %q is not a number up to %d", m.Fields[i].Value, MaxMessageSize)
		}
		if given && int(v) != n {
			return 0, false, errors.New("several Content-Length fields that differ")
		}
		n, given = int(v), true
	}
	return n, given, nil
}

// parseUint reads decimal digits and nothing else, up to most.
func parseUint(s string, most uint64) (uint64, bool) {
	if s == "" || len(s) > 19 {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n <= most
}
