package auth

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"callcontroller/internal/directory"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

// Tokens finds what is known of a token.
type Tokens interface {
	Find(hash token.Hash) (token.Token, bool)
}

// Bearer is RFC 6750 over TLS: a token in the field Authorization, and nowhere else, since
// what stands in a query is written into logs. A token with an agent has the rights of that
// user, as far as its scopes go; he may have no PIN, but has to be there and not disabled.
type Bearer struct {
	Config

	tokens Tokens
}

// NewBearer makes the authenticator.
func NewBearer(c Config, tokens Tokens) *Bearer { return &Bearer{Config: c, tokens: tokens} }

// Authenticate looks the token up. On a connection without TLS it refuses the header
// unread, as Basic does. Whatever is wrong, the same is done: it is hashed, and looked for
// by that.
//
// The login name by which the Guard counts is the token itself. So whoever guesses is
// slowed down by his source, and cannot spend a budget that others need.
func (b *Bearer) Authenticate(r *http.Request) (Principal, error) {
	if err := mine(r, "Bearer"); err != nil {
		return Principal{}, err
	}
	if r.TLS == nil {
		return Principal{}, ErrInsecureToken
	}
	hash := token.HashOf(bearerOf(r))
	a := b.Guard.attempt(r, "token "+hex.EncodeToString(hash[:]))
	if err := a.admit(); err != nil {
		return Principal{}, err
	}
	p, right := b.find(hash)
	if !right {
		a.failed()
		return Principal{}, ErrRefused
	}
	a.succeeded()
	return p, nil
}

// bearerOf is what stands behind the scheme (RFC 6750 section 2.1).
func bearerOf(r *http.Request) secret.Text {
	_, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return secret.New(strings.TrimLeft(text, " "))
}

// find gives whom a token stands for. An agent who has become an alias of somebody else is
// not the user for whom it was made.
func (b *Bearer) find(hash token.Hash) (Principal, bool) {
	t, known := b.tokens.Find(hash)
	user := find(b.Users, t.Agent)
	right := known && !t.Expired(time.Now()) && user.Name == t.Agent
	return principalOfToken(t, user), right
}

// principalOfToken has no right that its user has not, and none that its scopes have not.
func principalOfToken(t token.Token, user directory.User) Principal {
	admin := t.Scopes.Has(token.Admin) && (t.Agent == "" || user.Admin)
	return Principal{Name: t.Agent, Admin: admin, Token: t.ID, Scopes: t.Scopes}
}

// Challenge is for who came with a token. To nobody else it would say anything, and old
// clients are to see what they always saw.
func (b *Bearer) Challenge(r *http.Request, err error) []string {
	if r.TLS == nil || mine(r, "Bearer") != nil {
		return nil
	}
	challenge := rfc7616.AppendQuoted([]byte("Bearer "), "realm", b.Realm)
	if errors.Is(err, ErrRefused) {
		challenge = rfc7616.AppendQuoted(challenge, "error", "invalid_token")
	}
	return []string{string(challenge)}
}
