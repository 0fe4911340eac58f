package control

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// maxUser is the most bytes of a user name, as in the directory.
const maxUser = 128

// forbidden are the characters that separate parts of a SIP URI or of a header
// field. None of them stands in a name that a person would dial, and a name that
// has one is an attempt to say more than a name.
const forbidden = `<>":;?,@\/`

// party is who is to be called: user or user@host[:port].
type party struct {
	user string // as it was given, not escaped
	host string // as it was given, "" for the SIP domain
	port int    // 0 when none was given
	uri  string
}

// parseParty reads a party. field names it in errors, which are call.Invalid. When
// only what stands behind the host is wrong, the party comes back beside the error.
func parseParty(field, text, domain string) (party, error) {
	user, target, hasHost := strings.Cut(text, "@")
	if reason := checkUser(user); reason != "" {
		return party{}, invalid("%s %q %s", field, clip(text), reason)
	}
	p := party{user: user}
	if !hasHost {
		p.uri = "sip:" + sip.EscapeUser(user) + "@" + domain
		return p, nil
	}
	target, rest := cutParams(target)
	var err error
	if p.host, p.port, err = sip.ParseHostPort(target); err != nil {
		return party{}, invalid("%s %q: %s", field, clip(text), err)
	}
	if rest != "" {
		return p, invalid("%s %q has %q behind the host; no URI parameters or headers are allowed", field, clip(text), clip(rest))
	}
	p.uri = "sip:" + sip.EscapeUser(user) + "@" + target
	return p, nil
}

// cutParams splits what stands behind the host off.
func cutParams(target string) (hostport, rest string) {
	if i := strings.IndexAny(target, ";?"); i >= 0 {
		return target[:i], target[i:]
	}
	return target, ""
}

// checkUser gives the reason why a text is no user name, or "". The rules are those
// of the directory's names: what is accepted can be escaped into a user part, and
// looks to everybody as it is.
func checkUser(user string) string {
	switch {
	case user == "":
		return "has no user name"
	case len(user) > maxUser:
		return fmt.Sprintf("is longer than %d bytes", maxUser)
	case !utf8.ValidString(user):
		return "is not UTF-8"
	case user == "." || user == "..":
		return "is a step in a path, not a user name"
	}
	for _, r := range user {
		if r == ' ' || !unicode.IsPrint(r) || strings.ContainsRune(forbidden, r) {
			return fmt.Sprintf("has %q in it; a user name has no space, no unprintable character and none of %s", r, forbidden)
		}
	}
	return ""
}

// dialable reads a party that is going to be called. A host that may not be called
// is the graver mistake: it is what is told, even when more is wrong.
func (c *Control) dialable(field, text string) (party, error) {
	p, err := parseParty(field, text, c.config.Domain)
	if p.host != "" && !c.config.Hosts.Allow(p.host, p.port) {
		target, _ := cutParams(text[len(p.user)+1:])
		return party{}, fault(call.Denied, "host %s of %s is not allowed", clip(target), field)
	}
	return p, err
}

// orderParty gives the party as a call has it: with its name, if the directory has one.
func (c *Control) orderParty(p party) call.Party {
	out := call.Party{URI: p.uri}
	if p.host == "" || strings.EqualFold(p.host, c.config.Domain) {
		if u, ok := c.config.Directory.Lookup(p.user); ok {
			out.User = u.Name
		}
	}
	return out
}

// checkText gives the reason why a free text, such as a subject, cannot be taken,
// or "". Whatever ends a line somewhere is refused.
func checkText(text string, longest int) string {
	switch {
	case len(text) > longest:
		return fmt.Sprintf("is longer than %d bytes", longest)
	case !utf8.ValidString(text):
		return "is not UTF-8"
	}
	for _, r := range text {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			return fmt.Sprintf("has the control character %q in it", r)
		}
	}
	return ""
}

// clip keeps foreign text in errors short.
func clip(s string) string {
	const longest = 64
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
