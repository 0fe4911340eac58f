package file

import (
	"os"
	"strings"
	"testing"
	"unicode"
)

// Whatever the text is, it is taken whole or refused with a place; what is taken
// is safe to stand in a SIP URI and in Basic credentials.
func FuzzParse(f *testing.F) {
	bad, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("users: [{name: a, aliases: [b], identity: c@d, pin: \"1\", sip: {username: e, password: f}}]"))
	f.Add(bad)
	f.Add([]byte("users: [{name: &a b, aliases: *a}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		users, err := parse("users.yaml", text, "lab.test")
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "users.yaml:") {
					t.Errorf("a fault without its place: %q", line)
				}
			}
			return
		}
		for _, user := range users {
			if strings.ContainsFunc(user.Name+user.Identity+user.DisplayName, unicode.IsControl) ||
				strings.Count(user.Identity, "@") != 1 || strings.ContainsAny(user.Name, "@: /") {
				t.Errorf("taken: %+v", user)
			}
		}
	})
}
