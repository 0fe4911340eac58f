package file

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
)

// spot is one field of one user.
type spot struct {
	user int    // index in the list
	key  string // as in "sip.ha1" or "aliases[0]"
}

func (s spot) String() string { return fmt.Sprintf("users[%d].%s", s.user, s.key) }

// mistake is one thing that is wrong with a user.
type mistake struct {
	spot
	value  string // "" for a secret
	reason string
	first  *spot // for a name that is taken: where it stands first, which ends the reason
}

// check finds all that is wrong with the users as they are written.
func check(users []directory.User) []mistake {
	var all []mistake
	taken := map[string]*spot{} // by name or alias
	for i, u := range users {
		note := func(key, value, reason string) {
			if reason != "" {
				all = append(all, mistake{spot: spot{i, key}, value: value, reason: reason})
			}
		}
		claim := func(key, name string) {
			at := &spot{i, key}
			switch reason := checkName(name); {
			case reason != "":
				note(key, name, reason)
			case taken[name] != nil:
				all = append(all, mistake{*at, name, "is taken, it stands first in", taken[name]})
			default:
				taken[name] = at
			}
		}
		claim("name", u.Name)
		for j, alias := range u.Aliases {
			claim(fmt.Sprintf("aliases[%d]", j), alias)
		}
		note("display_name", u.DisplayName, checkDisplayName(u.DisplayName))
		note("identity", u.Identity, checkIdentity(u.Identity))
		checkPIN(u, note)
		checkCredentials(u.SIP, note)
	}
	return all
}

// Names stand in URL paths, SIP URIs and Basic credentials; what separates parts of
// those cannot stand in a name.
const forbidden = `@:<>"?;,\/`

const longest = 128 // bytes of a name, part of an identity, or display name

// checkName gives the reason why a text is no name, or "".
func checkName(name string) string {
	switch {
	case name == "":
		return "is missing or empty"
	case len(name) > longest:
		return fmt.Sprintf("is longer than %d bytes", longest)
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case name == "." || name == "..":
		return "would vanish from a URL path"
	}
	for _, r := range name {
		if r == ' ' || !unicode.IsPrint(r) {
			return "has a space or an unprintable character in it"
		}
		if strings.ContainsRune(forbidden, r) {
			return fmt.Sprintf("has %q in it; none of %s is allowed", r, forbidden)
		}
	}
	return ""
}

func checkDisplayName(text string) string {
	switch {
	case len(text) > longest:
		return fmt.Sprintf("is longer than %d bytes", longest)
	case !utf8.ValidString(text):
		return "is not UTF-8"
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "has an unprintable character in it"
	}
	return ""
}

func checkIdentity(identity string) string {
	if identity == "" {
		return ""
	}
	user, host, ok := strings.Cut(identity, "@")
	if !ok || strings.HasPrefix(user, "sip:") {
		return `must be user@host, without "sip:"`
	}
	if reason := checkName(user); reason != "" {
		return "before the @: " + reason
	}
	if _, port, err := sip.ParseHostPort(host); err != nil || port != 0 {
		return "behind the @: must be a host name or address, without a port"
	}
	return ""
}

func checkSecret(text secret.Text) string {
	switch s := text.Reveal(); {
	case s == secret.Mask:
		return "is the mask that is printed in the place of a secret, not the secret"
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a control character in it, such as a line break at its end"
	}
	return ""
}

// checkPIN wants a PIN in plain text or hashes of it. The two together could differ, so
// that a PIN that was changed in one place would stay good in the other.
func checkPIN(u directory.User, note func(key, value, reason string)) {
	note("pin", "", checkSecret(u.PIN))
	if !u.PIN.IsEmpty() && (len(u.PINHA1) > 0 || !u.PINHash.IsEmpty()) {
		note("pin", "", "stands beside pin_ha1 or pin_hash: give the PIN in plain text, or hashes of it")
	}
	first := map[rfc7616.Hash]int{}
	for i, ha1 := range u.PINHA1 {
		key := fmt.Sprintf("pin_ha1[%d]", i)
		hash, ok := pin.HashOf(ha1)
		if !ok {
			note(key, "", notHA1)
			continue
		}
		if before, taken := first[hash]; taken {
			note(key, "", fmt.Sprintf("is of %s like pin_ha1[%d]: one of each is all that a PIN has", hash, before))
			continue
		}
		first[hash] = i
	}
	if !u.PINHash.IsEmpty() {
		if _, err := pin.ParseHash(u.PINHash); err != nil {
			note("pin_hash", "", err.Error())
		}
	}
}

const notHA1 = "must be 32 (MD5) or 64 (SHA-256) hexadecimal digits"

func checkCredentials(c directory.Credentials, note func(key, value, reason string)) {
	note("sip.password", "", checkSecret(c.Password))
	switch {
	case strings.ContainsFunc(c.Username, func(r rune) bool { return r == ':' || !unicode.IsPrint(r) }):
		note("sip.username", c.Username, "has a colon or an unprintable character in it")
	case c.Username != "" && c.IsZero():
		note("sip.username", c.Username, "needs a password or an ha1 beside it")
	}
	switch ha1 := c.HA1.Reveal(); {
	case ha1 == "":
	case !c.Password.IsEmpty():
		note("sip.ha1", "", "stands beside a password: give one of them")
	default:
		if _, ok := pin.HashOf(c.HA1); !ok {
			note("sip.ha1", "", notHA1)
		}
	}
}

// complete gives copies of the users with their defaults filled in.
func complete(users []directory.User, domain string) []directory.User {
	full := make([]directory.User, len(users))
	for i, u := range users {
		if u.Identity == "" {
			u.Identity = u.Name + "@" + domain
		}
		if u.SIP.Username == "" && !u.SIP.IsZero() {
			u.SIP.Username = u.Name
		}
		u.SIP.HA1 = lower(u.SIP.HA1)
		u.PINHA1 = slices.Clone(u.PINHA1)
		for j, ha1 := range u.PINHA1 {
			u.PINHA1[j] = lower(ha1)
		}
		full[i] = u
	}
	return full
}

func lower(text secret.Text) secret.Text { return secret.New(strings.ToLower(text.Reveal())) }
