// Package secret owns the text that nobody may read by accident: a password, a
// PIN, an HA1. Such a text prints as "***" by every road that a log, a status page
// or a dump takes; the one way to it is Reveal. The package starts no goroutine
// and keeps no state.
//
// What it does not do: it does not wipe memory, and it does not encrypt.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Mask is what stands in the place of a secret that is printed.
const Mask = "***"

// Text is a secret text. Its zero value is the empty text, which prints as "".
//
// Two Texts are compared by Equal; == does not compile. The text is held behind a
// pointer, since package fmt does not ask the methods of a Text in an unexported
// field: it then prints an address, not the text.
type Text struct {
	_    [0]func()
	text *string
}

// New makes a secret of text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{text: &text}
}

// Reveal gives the text itself, for the place that computes or sends with it.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsEmpty tells whether there is no text.
func (t Text) IsEmpty() bool { return t.text == nil }

// Equal compares in a time that does not depend on where the texts differ, nor on
// how long the shorter one is: it compares their SHA-256 digests.
func (t Text) Equal(other Text) bool {
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String gives the mask, or "" for the empty text.
func (t Text) String() string {
	if t.text == nil {
		return ""
	}
	return Mask
}

// Format writes the mask for every verb and flag of package fmt.
func (t Text) Format(s fmt.State, verb rune) {
	out := t.String()
	if verb == 'q' || verb == 'v' && s.Flag('#') {
		out = `"` + out + `"`
	}
	_, _ = io.WriteString(s, out) // a fmt.State that fails tells its caller itself
}

// LogValue gives the mask to package log/slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText gives the mask to encoding/json and others.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalYAML gives the mask to YAML.
func (t Text) MarshalYAML() (any, error) { return t.String(), nil }

// IsZero tells encoders whether the field can be left out.
func (t Text) IsZero() bool { return t.IsEmpty() }
