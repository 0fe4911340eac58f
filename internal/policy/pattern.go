package policy

import (
	"errors"
	"strings"

	"callcontroller/internal/sip"
)

// Pattern stands for users, or for users of one host:
//
//	202            this user
//	2??            a 2 and two more characters
//	00*            whatever begins with 00, 00 itself too; a "*" that is not the last character is one of the name
//	*@partner.test whatever user of that host; without a host the user's may be any that can be called
//
// Case means nothing. Of a telephone number the visual separators of RFC 3966 section
// 5.1.1 are left out before it is compared: 00-44(20)1 is 0044201. A "+" and the
// prefix that stands for it in a country are two things: name both.
type Pattern struct {
	text string // as it was written
	user string // in lower case, without the "*"
	open bool   // there was one: anything may follow
	host string // "" for any
}

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) {
	user, host, hasHost := strings.Cut(strings.ToLower(text), "@")
	switch {
	case user == "":
		return Pattern{}, errors.New("must name a user, such as 202, 2?? or 00*")
	case strings.ContainsAny(user, `<>":;,\/ `):
		return Pattern{}, errors.New(`has one of <>":;,\/ or a space in it, which no user name has`)
	}
	if hasHost {
		if _, port, err := sip.ParseHostPort(host); err != nil || port != 0 {
			return Pattern{}, errors.New("has no host name or address, without a port, behind the @")
		}
	}
	rest, open := strings.CutSuffix(user, "*")
	return Pattern{text: text, user: plain(rest), open: open, host: host}, nil
}

func (p Pattern) String() string { return p.text }

// separators may stand in a telephone number to be read more easily.
const separators = "-.()"

// plain leaves the separators of a telephone number out. What is none stays as it is:
// in a name they mean something.
func plain(user string) string {
	if !strings.ContainsAny(user, separators) || strings.Trim(user, "0123456789+*#?abcd"+separators) != "" {
		return user
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(separators, r) {
			return -1
		}
		return r
	}, user)
}

// match tells how well a number fits, 0 for not at all: the more of it the pattern says,
// the better, and a host counts between two users.
func (p *Pattern) match(n number) int {
	if p.host != "" && p.host != n.host || !p.open && len(n.user) != len(p.user) || len(n.user) < len(p.user) {
		return 0
	}
	score := 2
	for i := range len(p.user) {
		switch {
		case p.user[i] == n.user[i]:
			score += 2
		case p.user[i] != '?':
			return 0
		}
	}
	if !p.open {
		score++ // It says how long the number is.
	}
	if p.host != "" {
		score++
	}
	return score
}

// number is who is called, in the form in which patterns see it.
type number struct{ user, host string }

func numberOf(user, host string) number {
	return number{plain(strings.ToLower(user)), strings.ToLower(host)}
}

// Dial says which users may be called. The pattern that fits best decides, and of two
// that fit alike the one that denies. When none fits, all may be called that are not
// denied, but with an allow list nobody else.
type Dial struct{ Allow, Deny []Pattern }

// refuses gives what a refusal names: the pattern that denies, or "allow" when the
// list has none that fits; "" when the number may be called.
func (d *Dial) refuses(n number) string {
	denied, deny := best(d.Deny, n)
	allowed, _ := best(d.Allow, n)
	switch {
	case denied > 0 && denied >= allowed:
		return "deny " + deny.text
	case allowed == 0 && len(d.Allow) > 0:
		return "allow"
	default:
		return ""
	}
}

func best(list []Pattern, n number) (score int, pattern *Pattern) {
	for i := range list {
		if s := list[i].match(n); s > score {
			score, pattern = s, &list[i]
		}
	}
	return score, pattern
}
