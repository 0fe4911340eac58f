package file

import (
	"os"
	"strings"
	"testing"
	"unicode"

	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
)

// Whatever the text is, it is taken whole or refused with a place; what is taken
// is safe to stand in a SIP URI and in Basic credentials, and its PINs can be used.
func FuzzParse(f *testing.F) {
	bad, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("users: [{name: a, aliases: [b], identity: c@d, pin: \"1\", sip: {username: e, password: f}}]"))
	f.Add(bad)
	f.Add([]byte("users: [{name: a, pin_ha1: [3d78807defe7de2157e2b0b6573a855f], admin: true, disabled: false,\n" +
		"pin_hash: '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE'}]"))
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
			if hashed := len(user.PINHA1) > 0 || !user.PINHash.IsEmpty(); hashed && !user.PIN.IsEmpty() || !usable(user) {
				t.Errorf("taken with its PIN: %+v", user)
			}
		}
	})
}

// usable tells whether the hashes of a PIN can be compared with.
func usable(user directory.User) bool {
	for _, ha1 := range user.PINHA1 {
		hash, ok := pin.HashOf(ha1)
		if !ok || pin.FindHA1(user.PINHA1, hash).Reveal() != strings.ToLower(ha1.Reveal()) {
			return false
		}
	}
	_, err := pin.ParseHash(user.PINHash)
	return err == nil || user.PINHash.IsEmpty()
}
