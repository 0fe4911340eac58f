// Package sdp owns the session descriptions (RFC 8866, RFC 3264) that the server
// makes or edits. It is pure: bytes in, bytes out.
package sdp

import (
	"errors"
	"strconv"
	"strings"
)

// MediaType is the media type of a session description.
const MediaType = "application/sdp"

// maxMedia bounds the m= lines that are answered.
const maxMedia = 64

// Errors of ParseOffer.
var (
	ErrNoMedia   = errors.New("the session description has no m= line")
	ErrTooMany   = errors.New("the session description has more than " + strconv.Itoa(maxMedia) + " m= lines")
	ErrMediaLine = errors.New("an m= line is not media, port, protocol and formats")
)

// lastStatic is the highest payload type that means something without an rtpmap
// (RFC 3551 section 6).
const lastStatic = 34

// Media is one m= section of an offer, as far as an answer needs it.
type Media struct {
	Type      string // "audio"
	Port      int    // 0 when the stream is refused
	Protocol  string // "RTP/AVP"
	Formats   []string
	Rtpmaps   map[string]string // format -> the whole value of its a=rtpmap
	Direction string            // sendrecv, sendonly, recvonly or inactive
	Zero      bool              // the connection address is 0.0.0.0: held the old way
}

// ParseOffer reads the m= sections of an offer. Lines may end with CRLF or LF.
func ParseOffer(body []byte) ([]Media, error) { return parseOffer(string(body)) }

func parseOffer(body string) ([]Media, error) {
	var media []Media
	direction, zero := "sendrecv", false
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\r\n")
		kind, value, ok := strings.Cut(line, "=")
		if !ok || len(kind) != 1 {
			continue
		}
		if kind == "m" {
			m, err := parseMedia(value)
			if err != nil {
				return nil, err
			}
			m.Direction, m.Zero = direction, zero
			if media = append(media, m); len(media) > maxMedia {
				return nil, ErrTooMany
			}
			continue
		}
		if len(media) == 0 {
			sessionLine(kind, value, &direction, &zero)
			continue
		}
		media[len(media)-1].line(kind, value)
	}
	if len(media) == 0 {
		return nil, ErrNoMedia
	}
	return media, nil
}

func sessionLine(kind, value string, direction *string, zero *bool) {
	switch {
	case kind == "c":
		*zero = isZero(value)
	case kind == "a" && isDirection(value):
		*direction = value
	}
}

func parseMedia(value string) (Media, error) {
	f := strings.Fields(value)
	if len(f) < 4 || strings.ContainsFunc(value, isControl) {
		return Media{}, ErrMediaLine
	}
	port, _, _ := strings.Cut(f[1], "/") // How many ports follow says nothing to us.
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Media{}, ErrMediaLine
	}
	return Media{Type: f[0], Port: int(n), Protocol: f[2], Formats: f[3:]}, nil
}

func (m *Media) line(kind, value string) {
	switch {
	case kind == "c":
		m.Zero = isZero(value)
	case kind != "a":
	case isDirection(value):
		m.Direction = value
	case strings.HasPrefix(value, "rtpmap:"):
		format, encoding, ok := strings.Cut(value[len("rtpmap:"):], " ")
		encoding = strings.Trim(encoding, " \t")
		if ok && encoding != "" && !strings.ContainsFunc(encoding, isControl) {
			if m.Rtpmaps == nil {
				m.Rtpmaps = make(map[string]string)
			}
			m.Rtpmaps[format] = encoding
		}
	}
}

func isDirection(s string) bool {
	return s == "sendrecv" || s == "sendonly" || s == "recvonly" || s == "inactive"
}

func isZero(connection string) bool { return strings.HasSuffix(connection, " 0.0.0.0") }

// isControl tells the characters that would start a line or end a string of their
// own in what we write.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// payloadType reads a format of RTP; ok is false for what is none.
func payloadType(format string) (n int, ok bool) {
	u, err := strconv.ParseUint(format, 10, 8)
	return int(u), err == nil && u < 128
}

// known gives the formats that a description of ours may name, each once: phones hang
// up on a dynamic payload type without its rtpmap, and a format that stands a thousand
// times would have us write its rtpmap as often.
func (m *Media) known() []string {
	var formats []string
	seen := make(map[string]bool)
	for _, f := range m.Formats {
		n, ok := payloadType(f)
		_, mapped := m.Rtpmaps[f]
		if (!ok || n <= lastStatic || mapped) && !seen[f] {
			formats = append(formats, f)
			seen[f] = true
		}
	}
	return formats
}

// usable gives those of them that RTP has.
func (m *Media) usable() []string {
	var formats []string
	for _, f := range m.known() {
		if _, ok := payloadType(f); ok {
			formats = append(formats, f)
		}
	}
	return formats
}
