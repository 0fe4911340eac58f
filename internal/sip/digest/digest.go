// Package digest is the client side of Digest authentication for SIP: RFC 3261 section 22, with the algorithms and the rules for several
// challenges of RFC 8760, and the computation of RFC 7616.
//
// It owns the parsing of challenges, the making of credentials, and the cache of nonces; what it has in common with the server side of
// HTTP is in package rfc7616. It works on header values: it knows no SIP
// message, no socket and no clock, never reads a password from anywhere, never logs, and starts no goroutine.
//
// Who may get credentials is decided by two bindings. A realm: Credentials.Realm, when it is set, is the only realm that is answered.
// A host: the caller names the host that the request goes to (NewAttempt), and that host alone is looked up in the cache; when
// Credentials.Host is set, no other host ever gets an answer. A challenge that a proxy relays cannot be told from the proxy's own
// by its host, so set the realm where others than the owner of the credentials can challenge (a called phone, for example).
package digest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// What Retry can answer. The realm or host stands in the message, never a secret.
var (
	// ErrRejected: the realm was answered with these credentials already and is not satisfied. Another try would be the same.
	ErrRejected = errors.New("credentials were rejected")
	// ErrNoUsableChallenge: no challenge is Digest with a known algorithm, a quality of protection that we have, and a form that
	// the credentials can answer.
	ErrNoUsableChallenge = errors.New("no usable challenge")
	// ErrForeignRealm: the challenges are for realms that these credentials are not for.
	ErrForeignRealm = errors.New("realm is not the one of these credentials")
	// ErrForeignHost: the host is not the one that these credentials are bound to.
	ErrForeignHost = errors.New("host is not the one of these credentials")
	// ErrTooManyRealms: a chain of proxies that never ends, or somebody who plays one.
	ErrTooManyRealms = errors.New("too many realms challenge one request")
	// ErrNoCredentials: there is nothing to answer with.
	ErrNoCredentials = errors.New("no credentials")
	// ErrUnknownScheme: the challenge is not Digest.
	ErrUnknownScheme = errors.New("authentication scheme is not Digest")
)

// Credentials of one account: Password or HA1, never both.
type Credentials struct {
	Username string
	// Password in plain text, UTF-8.
	Password secret.Text
	// HA1 is the hash of username:realm:password in hexadecimal: 32 digits for MD5, 64 for SHA-256. It answers only that algorithm.
	HA1 secret.Text
	// Realm is the only realm that is answered. Empty: any realm of the host.
	Realm string
	// Host that these credentials are bound to, written as in NewAttempt. Empty: the caller has made sure.
	Host string
}

// Validate tells what is wrong with the credentials, by field. It never repeats a secret.
func (c Credentials) Validate() error {
	switch {
	case c.Username == "":
		return fmt.Errorf("username is empty: %w", ErrNoCredentials)
	case rfc7616.HasControl(c.Username):
		return fmt.Errorf("username %q has a control character", c.Username)
	case rfc7616.HasControl(c.Realm):
		return fmt.Errorf("realm %q has a control character", c.Realm)
	case c.Password.IsEmpty() && c.HA1.IsEmpty():
		return fmt.Errorf("neither password nor ha1 is given: %w", ErrNoCredentials)
	case !c.Password.IsEmpty() && !c.HA1.IsEmpty():
		return errors.New("password and ha1 are both given: only one of them may be")
	}
	return checkHA1(c.HA1.Reveal())
}

func checkHA1(ha1 string) error {
	if _, err := hex.DecodeString(ha1); err != nil || ha1 != "" && len(ha1) != rfc7616.MD5.Digits() && len(ha1) != rfc7616.SHA256.Digits() {
		return errors.New("ha1 is not 32 (MD5) or 64 (SHA-256) hexadecimal digits")
	}
	return nil
}

// canAnswer tells whether the credentials have what an algorithm needs: a password does for all, an HA1 for its own hash only.
func (c Credentials) canAnswer(alg rfc7616.Algorithm) bool {
	return c.HA1.IsEmpty() || alg.Hash != rfc7616.SHA512256 && len(c.HA1.Reveal()) == alg.Hash.Digits()
}

// ha1In gives the secret of a response in a realm, by a hash that canAnswer has allowed.
func (c Credentials) ha1In(realm string, hash rfc7616.Hash) string {
	if c.HA1.IsEmpty() {
		return hash.HA1(c.Username, realm, c.Password.Reveal())
	}
	return strings.ToLower(c.HA1.Reveal())
}

// isFor tells whether these credentials may answer a realm.
func (c Credentials) isFor(realm string) bool { return c.Realm == "" || c.Realm == realm }

// isForHost tells whether these credentials may be sent to a host.
func (c Credentials) isForHost(host string) bool {
	return c.Host == "" || strings.EqualFold(c.Host, host)
}

// Field is one header field of a SIP message, without line end.
type Field struct{ Name, Value string }
