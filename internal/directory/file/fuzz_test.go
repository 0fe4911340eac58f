package file

import (
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/sip"
)

// FuzzParse: whatever the text is, it is taken whole or refused with a place; what is
// taken is safe to stand in a SIP URI and in Basic credentials, and written as a file
// it reads the same; its PINs can be used.
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
			u, err := sip.ParseNameAddr(sip.Quote(user.DisplayName) + "<sip:" + sip.EscapeUser(user.Name) + "@" + user.Identity[strings.IndexByte(user.Identity, '@')+1:] + ">")
			if err != nil || sip.Unescape(u.URI.User) != user.Name || u.Display != user.DisplayName || u.Params != "" || u.URI.Params != "" || u.URI.Headers != "" {
				t.Errorf("%+v becomes %+v, %v", user, u, err)
			}
			if hashed := len(user.PINHA1) > 0 || !user.PINHash.IsEmpty(); hashed && !user.PIN.IsEmpty() || !usable(user) {
				t.Errorf("taken with its PIN: %+v", user)
			}
		}
		want := plain(users)
		written, err := yaml.Marshal(map[string]any{"users": want})
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse("users.yaml", written, "lab.test")
		if d := cmp.Diff(want, plain(again)); d != "" || err != nil {
			t.Errorf("%q is written as %q: %v\n%s", text, written, err, d)
		}
	})
}

// plain gives the users with their secrets, as they stand in a file.
func plain(users []directory.User) []map[string]any {
	all := []map[string]any{}
	for _, u := range users {
		m := map[string]any{"name": u.Name, "display_name": u.DisplayName, "identity": u.Identity, "pin": u.PIN.Reveal(), "pin_hash": u.PINHash.Reveal(), "admin": u.Admin, "disabled": u.Disabled}
		ha1s := []string{}
		for _, ha1 := range u.PINHA1 {
			ha1s = append(ha1s, ha1.Reveal())
		}
		m["pin_ha1"] = ha1s
		if len(u.Aliases) > 0 {
			m["aliases"] = u.Aliases
		}
		if u.SIP.Username != "" {
			m["sip"] = map[string]any{"username": u.SIP.Username, "password": u.SIP.Password.Reveal(), "ha1": u.SIP.HA1.Reveal()}
		}
		all = append(all, m)
	}
	return all
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
