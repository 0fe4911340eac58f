package ladder

import (
	"regexp"
	"strings"

	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
)

// shownBody gives a body of a kind whose secrets are known, and the mask for any other:
// the digits in an INFO may be a PIN.
func shownBody(m *sip.Message) string {
	encoding := m.Get(sip.ContentEncoding)
	switch {
	case len(m.Body) == 0:
		return ""
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return secret.Mask
	case m.ContentTypeIs("application/sdp"):
		return byLine(string(m.Body), shownSDP)
	case m.ContentTypeIs("message/sipfrag"):
		return byLine(string(m.Body), new(fragment).shown)
	default:
		return secret.Mask
	}
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// byLine shows each line of a body, wherever somebody may see one end.
func byLine(body string, shown func(string) string) string {
	list := strings.Split(lineEnds.Replace(body), "\n")
	for i, line := range list {
		list[i] = clean(shown(line))
	}
	return strings.Join(list, "\r\n")
}

// keys is where a key begins in a line of SDP: of SRTP (RFC 4568, RFC 4567), also as a
// capability (RFC 5939), of ICE (RFC 8839), and the old line k (RFC 4566 section 5.12).
var keys = regexp.MustCompile(`(?i)^\s*k\s*=|key-mgmt\s*:|ice-pwd\s*:|crypto\s*:(\s*[0-9]+ +[a-z0-9_]{1,32} +inline\s*:)?|inline\s*:`)

// shownSDP masks the keys of a line.
func shownSDP(line string) string {
	if at := keys.FindStringIndex(line); at != nil {
		return line[:at[1]] + secret.Mask
	}
	return line
}

// fragment reads a part of a SIP message (RFC 3420), line by line. Of lines that go on
// with the one before, and of a body, nothing is shown.
type fragment struct {
	body bool // its header has ended
}

func (f *fragment) shown(line string) string {
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	switch {
	case line == "":
		f.body = true
		return ""
	case f.body, line[0] == ' ', line[0] == '\t':
		return secret.Mask
	case ok && sip.IsToken(name):
		return name + ": " + shownValue(name, strings.Trim(value, " \t"))
	default:
		return maskURIs(line)
	}
}
