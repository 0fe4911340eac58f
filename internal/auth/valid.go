package auth

import (
	"time"

	"callcontroller/internal/token"
)

// TokensByID finds a token by its ID.
type TokensByID interface {
	FindID(id string) (token.Token, bool)
}

// StillValid tells whether somebody who logged in earlier would be let in now as the same
// Principal: a user may have gone since, or a token been revoked. That a PIN has changed
// it cannot know.
func StillValid(users Directory, tokens TokensByID, p Principal) bool {
	now := Principal{Source: p.Source, Trusted: p.Trusted}
	switch {
	case p.Token != "":
		t, known := tokens.FindID(p.Token)
		user := find(users, t.Agent)
		if !known || t.Expired(time.Now()) || user.Name != t.Agent {
			return false
		}
		now = principalOfToken(t, user)
		now.Source = p.Source
	case p.Name != "":
		now = principalOf(find(users, p.Name))
		now.Source = p.Source
	}
	return now == p
}
