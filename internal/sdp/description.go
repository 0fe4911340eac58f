package sdp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// maxBody is the longest description that is passed on, in bytes.
const maxBody = 64 << 10

// Errors of Check.
var (
	ErrTooLong = errors.New("the session description is longer than 64 KiB")
	ErrNUL     = errors.New("the session description has a NUL in it")
	ErrStart   = errors.New("the session description does not begin with v= and o=")
)

// description is a session description in pieces: its lines as they were, each with
// CRLF behind it (RFC 8866 section 5 allows to read, not to send, other line ends).
type description struct {
	version string // the v= line
	session string // what follows the o= line, up to the first m= line
	media   []medium
}

// medium is an m= section.
type medium struct {
	Media
	text string
}

// live tells that a section offers a stream.
func live(m medium) bool { return m.Port != 0 }

// Check tells why a description cannot be passed on, and else whether it refuses every
// stream that it names.
func Check(body []byte) (dead bool, err error) {
	d, err := parse(body)
	return err == nil && !slices.ContainsFunc(d.media, live), err
}

func parse(body []byte) (description, error) {
	var d description
	if len(body) > maxBody {
		return d, ErrTooLong
	}
	if bytes.IndexByte(body, 0) >= 0 {
		return d, ErrNUL
	}
	text := string(body)
	media, err := parseOffer(text)
	if err != nil {
		return d, err
	}
	session, sections := cut(text)
	version, rest, _ := strings.Cut(session, "\r\n")
	origin, rest, ok := strings.Cut(rest, "\r\n")
	if !ok || !strings.HasPrefix(version, "v=") || !strings.HasPrefix(origin, "o=") {
		return d, ErrStart
	}
	d.version, d.session = version+"\r\n", rest
	for i, text := range sections {
		d.media = append(d.media, medium{media[i], text})
	}
	return d, nil
}

// cut divides the lines into those of the session and those of each m= section.
func cut(body string) (session string, sections []string) {
	const next = "\r\nm="
	rest := normal(body)
	if !strings.HasPrefix(rest, "m=") {
		before, _, ok := strings.Cut(rest, next)
		if !ok {
			return rest, nil
		}
		session = rest[:len(before)+len("\r\n")]
		rest = rest[len(session):]
	}
	for {
		before, _, ok := strings.Cut(rest, next)
		if !ok {
			return session, append(sections, rest)
		}
		end := len(before) + len("\r\n")
		sections, rest = append(sections, rest[:end]), rest[end:]
	}
}

// normal gives a description with CRLF behind each line, and without empty lines, which
// no description has. Nearly all are so.
func normal(s string) string {
	if isNormal(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for line := range strings.Lines(s) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			b.WriteString(line)
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

func isNormal(s string) bool {
	for line := range strings.Lines(s) {
		text, ok := strings.CutSuffix(line, "\r\n")
		if !ok || text == "" || text[len(text)-1] == '\r' {
			return false
		}
	}
	return true
}

// Find gives the session description in a body of that Content-Type: the body itself,
// or the first part of that type of a multipart one (RFC 5621 section 3), byte for
// byte.
func Find(contentType string, body []byte) ([]byte, bool) {
	kind, params, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == MediaType {
		return body, true
	}
	boundary := boundaryOf(params)
	if !strings.HasPrefix(kind, "multipart/") || boundary == "" {
		return nil, false
	}
	parts := bytes.Split(append([]byte("\r\n"), body...), []byte("\r\n--"+boundary))
	for _, part := range parts[1:] {
		if bytes.HasPrefix(part, []byte("--")) {
			break // What follows the last part is no part (RFC 2046 section 5.1.1).
		}
		if found, ok := inPart(part); ok {
			return found, true
		}
	}
	return nil, false
}

// boundaryOf reads the parameter boundary (RFC 2046 section 5.1.1).
func boundaryOf(params string) string {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "boundary") {
			return strings.Trim(strings.TrimSpace(value), "\"")
		}
	}
	return ""
}

// inPart gives the body of a part that is a session description.
func inPart(part []byte) ([]byte, bool) {
	head, body, ok := bytes.Cut(part, []byte("\r\n\r\n"))
	if !ok {
		return nil, false
	}
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		kind, _, _ := strings.Cut(value, ";")
		if strings.EqualFold(strings.TrimSpace(name), "Content-Type") && strings.EqualFold(strings.TrimSpace(kind), MediaType) {
			return body, true
		}
	}
	return nil, false
}
