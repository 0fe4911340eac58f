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

// Check tells why a description cannot be passed on, nil when it can.
func Check(body []byte) error {
	_, err := parse(body)
	return err
}

// Dead tells that a description refuses every stream that it names.
func Dead(body []byte) bool {
	d, err := parse(body)
	return err == nil && !slices.ContainsFunc(d.media, live)
}

func parse(body []byte) (description, error) {
	var d description
	if len(body) > maxBody {
		return d, ErrTooLong
	}
	if bytes.IndexByte(body, 0) >= 0 {
		return d, ErrNUL
	}
	media, err := ParseOffer(body)
	if err != nil {
		return d, err
	}
	session, sections := cut(body)
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

// cut divides the lines into those of the session and those of each m= section. Empty
// lines, which no description has, are left out.
func cut(body []byte) (session string, sections []string) {
	var b strings.Builder
	for line := range strings.Lines(string(body)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "m=") {
			sections = append(sections, b.String())
			b.Reset()
		}
		if line != "" {
			b.WriteString(line + "\r\n")
		}
	}
	sections = append(sections, b.String())
	return sections[0], sections[1:]
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
