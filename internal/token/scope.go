package token

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Scope is a set of what a token allows. It narrows the rights of the user, and gives
// none that he has not.
type Scope uint8

// The scopes. There is none for events: they tell of calls, and have nothing in them that
// CallsRead does not show.
const (
	CallsRead  Scope = 1 << iota // see calls: as they stand, in lists, by their events
	CallsWrite                   // place, check, end, transfer and hold calls
	// Admin is whose calls: those of every agent, as a user with admin has it. What may be
	// done with them say the others, so that a wallboard can see all calls and touch none.
	Admin
)

var names = [...]string{"calls:read", "calls:write", "admin"}

// Names are the names of all scopes.
func Names() []string { return names[:] }

// ParseScope reads the name of one.
func ParseScope(name string) (Scope, error) {
	for i, n := range names {
		if n == name {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("scope %q: there is none of that name; there are %s", name, strings.Join(names[:], ", "))
}

// Has tells whether all that another allows is in it.
func (s Scope) Has(other Scope) bool { return s&other == other }

// Split gives the names of those that are in it.
func (s Scope) Split() []string {
	list := []string{}
	for i, name := range names {
		if s.Has(1 << i) {
			list = append(list, name)
		}
	}
	return list
}

// String is the form of RFC 6749 section 3.3: names with spaces between them.
func (s Scope) String() string { return strings.Join(s.Split(), " ") }

// MarshalJSON writes a list of names.
func (s Scope) MarshalJSON() ([]byte, error) { return json.Marshal(s.Split()) }

// UnmarshalJSON reads one.
func (s *Scope) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*s = 0
	for _, name := range list {
		one, err := ParseScope(name)
		if err != nil {
			return err
		}
		*s |= one
	}
	return nil
}
