package auth

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

const (
	// hashing is how many argon2id hashes are computed at once: each takes 19 MiB and
	// 20 ms or more of a processor that calls want too.
	hashing = 2
	// hashingPatience is how long a log-in waits for its turn.
	hashingPatience = 5 * time.Second
)

// Basic is RFC 7617 over TLS, with the PIN of a user as the password. The login name
// may be an alias. Name and PIN are UTF-8; a PIN may have a colon in it.
type Basic struct {
	Config

	turns chan struct{} // one element for each hash that is being computed
}

// NewBasic makes the authenticator.
func NewBasic(c Config) *Basic { return &Basic{Config: c, turns: make(chan struct{}, hashing)} }

// Authenticate compares the PIN. On a connection without TLS it refuses the header
// unread, so that a right and a wrong PIN cannot be told apart there.
func (b *Basic) Authenticate(r *http.Request) (Principal, error) {
	if err := mine(r, "Basic"); err != nil {
		return Principal{}, err
	}
	if r.TLS == nil {
		return Principal{}, ErrInsecure
	}
	name, given, ok := r.BasicAuth()
	if !ok || !utf8.ValidString(name) || !utf8.ValidString(given) {
		return Principal{}, ErrRefused
	}
	a := b.Guard.attempt(r, name)
	if err := a.admit(); err != nil {
		return Principal{}, err
	}
	user := find(b.Users, name)
	if err := b.verify(r.Context(), a, user, secret.New(given)); err != nil {
		return Principal{}, err
	}
	a.succeeded()
	return principalOf(user), nil
}

// verify compares with what is cheap, then with the argon2id hash. As long as any user
// has one, every failure costs one, for a user who has none the costliest of all: else
// the time would tell who exists.
func (b *Basic) verify(ctx context.Context, a attempt, user directory.User, given secret.Text) error {
	if quick(b.Realm, user, given) {
		return nil
	}
	costliest := b.Users.Costliest()
	if costliest.IsEmpty() {
		a.failed()
		return ErrRefused
	}
	if err := b.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-b.turns }()
	if err := a.admit(); err != nil { // others may have failed while this one waited
		return err
	}
	if !slow(user, given, costliest) {
		a.failed()
		return ErrRefused
	}
	return nil
}

// slow compares with the argon2id hash, or with another that takes the time.
func slow(user directory.User, given, other secret.Text) bool {
	stored := user.PINHash
	if stored.IsEmpty() {
		stored = other
	}
	hash, err := pin.ParseHash(stored)
	right := err == nil && hash.Matches(given)
	return right && !user.PINHash.IsEmpty() && !given.IsEmpty()
}

// PINIsRight tells whether a PIN is that of a user, in any form in which it is kept. It
// is for tools: it takes as long as it takes, and does not look at whether the user may
// log in.
func PINIsRight(realm string, user directory.User, given secret.Text) bool {
	return quick(realm, user, given) || !user.PINHash.IsEmpty() && slow(user, given, secret.Text{})
}

func (b *Basic) takeTurn(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, hashingPatience)
	defer stop()
	select {
	case b.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &SlowDownError{After: hashingPatience, Reason: "too many log-ins at once"}
	}
}

// quick makes all three comparisons, whatever there is to compare with.
func quick(realm string, user directory.User, given secret.Text) bool {
	right := matches(user.PIN, given)
	for _, hash := range []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5} {
		if matches(pin.FindHA1(user.PINHA1, hash), pin.HA1(hash, user.Name, realm, given)) {
			right = true
		}
	}
	return right && !given.IsEmpty()
}

// matches compares with what was given itself when there is nothing to compare with:
// that is as long as what could be there.
func matches(stored, given secret.Text) bool {
	want := stored
	if stored.IsEmpty() {
		want = given
	}
	return want.Equal(given) && !stored.IsEmpty()
}

// Challenge asks for UTF-8 (RFC 7617 section 2.1).
func (b *Basic) Challenge(r *http.Request, _ error) []string {
	if r.TLS == nil {
		return nil
	}
	challenge := rfc7616.AppendQuoted([]byte("Basic "), "realm", b.Realm)
	return []string{string(rfc7616.AppendQuoted(challenge, "charset", "UTF-8"))}
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
