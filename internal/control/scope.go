package control

import (
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/token"
)

// UseCase is something that a principal can ask for.
type UseCase uint8

// The use cases, as far as a token can allow them apart.
const (
	ToPlace UseCase = iota
	ToCheck
	ToSee // a call, in whatever form: as it stands, by its events, by its messages
	ToList
	ToEnd
	ToTransfer
	ToHold
)

// scopes is the one table of the scopes that the use cases need.
var scopes = [...]token.Scope{
	ToPlace:    token.CallsWrite,
	ToCheck:    token.CallsWrite,
	ToSee:      token.CallsRead,
	ToList:     token.CallsRead,
	ToEnd:      token.CallsWrite,
	ToTransfer: token.CallsWrite,
	ToHold:     token.CallsWrite,
}

// Scope is what a token has to have for it.
func (u UseCase) Scope() token.Scope { return scopes[u] }

// Permit tells whether the scopes of a principal allow something: nil, or a
// call.OutOfScope that names the scope. Every method of Control asks it before anything
// else; who serves from elsewhere what belongs to a use case asks it, too. Whose calls
// these are it does not look at: see MaySee.
func Permit(p auth.Principal, u UseCase) error {
	need := u.Scope()
	if p.Has(need) {
		return nil
	}
	return &call.Error{Kind: call.OutOfScope, Text: "the token has not the scope " + need.String(), Scope: need.String()}
}
