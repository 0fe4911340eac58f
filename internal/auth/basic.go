package auth

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"callcontroller/internal/secret"
)

// Basic is RFC 7617 over TLS, with the PIN of a user as the password. The login name
// may be an alias. Name and PIN are UTF-8; a PIN may have a colon in it.
type Basic struct {
	realm string
	users Directory
}

// NewBasic makes the authenticator; the realm is the SIP domain.
func NewBasic(realm string, users Directory) *Basic {
	return &Basic{realm: realm, users: users}
}

// dummy is compared with when there is no PIN to compare with, to take the same time.
var dummy = secret.New("no PIN")

// Authenticate compares the PIN. On a connection without TLS it refuses the header
// unread, so that a right and a wrong PIN cannot be told apart there.
func (b *Basic) Authenticate(r *http.Request) (Principal, error) {
	if err := mine(r, "Basic"); err != nil {
		return Principal{}, err
	}
	if r.TLS == nil {
		return Principal{}, ErrInsecure
	}
	name, pin, ok := r.BasicAuth()
	if !ok || !utf8.ValidString(name) || !utf8.ValidString(pin) {
		return Principal{}, ErrRefused
	}
	user, known := b.users.Lookup(name)
	want := user.PIN
	if want.IsEmpty() {
		want, known = dummy, false
	}
	if match := want.Equal(secret.New(pin)); !match || !known {
		return Principal{}, ErrRefused
	}
	return Principal{Name: user.Name}, nil
}

// Challenge asks for UTF-8 (RFC 7617 section 2.1).
func (b *Basic) Challenge(r *http.Request) []string {
	if r.TLS == nil {
		return nil
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(b.realm)
	return []string{`Basic realm="` + quoted + `", charset="UTF-8"`}
}

// mine is nil when the request carries credentials of the scheme. More than one
// Authorization field is refused: which of them counts would be a guess.
func mine(r *http.Request, scheme string) error {
	fields := r.Header.Values("Authorization")
	if len(fields) == 0 {
		return ErrMissing
	}
	if len(fields) > 1 {
		return ErrRefused
	}
	if sent, _, _ := strings.Cut(fields[0], " "); !strings.EqualFold(sent, scheme) {
		return ErrMissing
	}
	return nil
}
