// Package auth finds out who sends an HTTP request: credentials in, Principal out.
// It slows down who guesses. It does not decide what a principal may do, writes no
// response and logs nothing. It starts no goroutine.
//
// Each kind of credentials is an Authenticator of its own, and a Chain asks them in
// turn. What it looks at is the TCP connection, the request line and the Authorization
// header. It never looks at Host, X-Forwarded-For, Forwarded, X-Real-IP or sipx-user,
// which whoever sends the request can make up.
package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

// Principal is who sends a request.
type Principal struct {
	// Name is that of the user, never an alias; "" for a trusted peer, which has shown no
	// credentials, and for a token that is no user's.
	Name    string
	Trusted bool        // a peer in a trusted network; it may act for any user
	Admin   bool        // may act for any user
	Token   string      // the ID of the token by which it has logged in; "" for none
	Scopes  token.Scope // of that token
	Source  netip.Addr  // of the client; set by who has asked, no Authenticator does
}

// Has tells whether the principal has all of those scopes. Who needs no token has all.
func (p Principal) Has(scopes token.Scope) bool { return p.Token == "" || p.Scopes.Has(scopes) }

// The errors of an Authenticator. Why credentials are refused is told to nobody: an
// unknown user, a wrong PIN, a user without a PIN and one who is disabled must look the
// same. A further one is SlowDownError.
var (
	// ErrMissing: the request has no credentials of this kind. The answer is 401 with
	// the challenges.
	ErrMissing = errors.New("no credentials")
	// ErrRefused: the credentials are not valid. The answer is as for ErrMissing.
	ErrRefused = errors.New("credentials not valid")
	// ErrStale: the credentials would be valid, but for a nonce that is too old. The
	// answer is as for ErrMissing, and the challenge says so.
	ErrStale = fmt.Errorf("nonce too old: %w", ErrRefused)
	// ErrInsecure: on this connection no credentials are taken. The answer is 403
	// without a challenge, which would invite the client to send a password in the clear.
	ErrInsecure = errors.New("Basic authentication needs HTTPS")
	// ErrInsecureToken is ErrInsecure for a token.
	ErrInsecureToken error = insecure("a token needs HTTPS; others may have read this one on its way: revoke it")
)

// insecure is an ErrInsecure in other words.
type insecure string

func (e insecure) Error() string      { return string(e) }
func (insecure) Is(target error) bool { return target == ErrInsecure }

// Authenticator knows one kind of credentials.
type Authenticator interface {
	// Authenticate gives the sender of the request. The error is ErrMissing when the
	// request carries nothing of this kind.
	Authenticate(r *http.Request) (Principal, error)
	// Challenge gives the WWW-Authenticate values that a 401 to this request carries
	// (RFC 9110 section 11.6.1), after that error of Authenticate; none when the kind
	// cannot be used on its connection.
	Challenge(r *http.Request, err error) []string
}

// Directory finds a user by name or alias.
type Directory interface {
	Lookup(name string) (directory.User, bool)
	// Costliest gives the pin_hash that takes most to compare with, or the empty text
	// when no user has one.
	Costliest() secret.Text
}

// Config is what Digest and Basic have in common. All fields are set.
type Config struct {
	Realm string // the SIP realm
	Users Directory
	Guard *Guard // one for both, so that a failure counts wherever it was
}

// Chain asks several authenticators in turn. The first that does not answer
// ErrMissing decides; what stands behind it is not asked, so a trusted peer is
// trusted whatever credentials it sends besides.
type Chain []Authenticator

// Authenticate gives ErrInsecure in the place of the other errors when the answer
// could have no challenge, since a 401 must have one (RFC 9110 section 15.5.2), and
// ErrRefused in its place when there is one: whoever sent a password in the clear is
// shown the way without (CONTRACT 10.3).
func (c Chain) Authenticate(r *http.Request) (Principal, error) {
	for _, a := range c {
		p, err := a.Authenticate(r)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, ErrMissing) {
			return Principal{}, c.answerable(r, err)
		}
	}
	return Principal{}, c.answerable(r, ErrMissing)
}

func (c Chain) answerable(r *http.Request, err error) error {
	unsafe, challenged := errors.Is(err, ErrInsecure), len(c.Challenge(r, err)) > 0
	switch {
	case unsafe && challenged:
		return ErrRefused
	case unsafe || challenged:
		return err
	}
	return ErrInsecure
}

// Challenge gives the challenges of all kinds that can be used on this request.
func (c Chain) Challenge(r *http.Request, err error) []string {
	var all []string
	for _, a := range c {
		all = append(all, a.Challenge(r, err)...)
	}
	return all
}

// find gives a user who may log in. Any other is a user without a PIN.
func find(users Directory, name string) directory.User {
	user, known := users.Lookup(name)
	if !known || user.Disabled {
		return directory.User{}
	}
	return user
}

func principalOf(user directory.User) Principal {
	return Principal{Name: user.Name, Admin: user.Admin}
}
