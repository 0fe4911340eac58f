package sip

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// Character classes of RFC 3261 section 25.1.
const (
	classToken  = 1 << iota // token
	classUser               // unreserved and user-unreserved, without what would end a user part here
	classHeader             // unreserved and hnv-unreserved
)

var classes = func() (t [256]uint8) {
	add := func(chars string, class uint8) {
		for i := range len(chars) {
			t[chars[i]] |= class
		}
	}
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const unreserved = alnum + "-_.!~*'()"
	add(alnum+"-.!%*_+`'~", classToken)
	// "&=+$," are allowed too; ";?/" are as well, but phones and proxies trip over
	// them, and escaped they mean the same.
	add(unreserved+"&=+$,", classUser)
	add(unreserved+"[]/?:+$", classHeader)
	return t
}()

// IsToken tells whether s is a token of RFC 3261 section 25.1.
func IsToken(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&classToken == 0 {
			return false
		}
	}
	return s != ""
}

// isControl tells the control characters other than the tab.
func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }

// EscapeUser writes text as the user part of a SIP URI: whatever the grammar does
// not allow there is percent-escaped, so the result can hold no "@", ":", ";",
// "?", ">" or space of its own.
func EscapeUser(text string) string { return escape(text, classUser) }

// EscapeHeader writes text as the value in the headers part of a SIP URI
// (RFC 3261 section 19.1.1: what stands behind "?").
func EscapeHeader(text string) string { return escape(text, classHeader) }

func escape(s string, class uint8) string {
	n := 0
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			n++
		}
	}
	if n == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; classes[c]&class == 0 {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// Unescape undoes percent escapes; a "%" that starts none stays as it is.
func Unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// Quote writes text as a quoted-string. Control characters become spaces and bytes
// that are not UTF-8 become U+FFFD, for the grammar has no room for them.
func Quote(text string) string {
	b := make([]byte, 0, len(text)+2)
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case isControl(r):
			b = append(b, ' ')
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}

// Unquote gives the text of a quoted-string; anything else comes back as it is.
func Unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// SplitList yields the elements of a comma-separated list, without the white
// space around them; commas inside quotes or angle brackets separate nothing.
// Empty elements are left out.
func SplitList(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s != "" {
			end := indexOutside(s, ',')
			v := strings.Trim(s[:end], " \t")
			if v != "" && !yield(v) {
				return
			}
			if end == len(s) {
				return
			}
			s = s[end+1:]
		}
	}
}

// indexOutside finds c outside quoted strings and angle brackets, len(s) when it
// is nowhere.
func indexOutside(s string, c byte) int {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"' && !angle:
			quoted = !quoted
		case quoted:
		case ch == c && !angle:
			return i
		case ch == '<':
			angle = true
		case ch == '>':
			angle = false
		}
	}
	return len(s)
}
