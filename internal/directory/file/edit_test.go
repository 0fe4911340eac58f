package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"callcontroller/internal/directory"
	"callcontroller/internal/directory/file"
	"callcontroller/internal/secret"
)

func edit(t *testing.T, path string) *file.Editor {
	t.Helper()
	e, err := file.Edit(path, domain)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// What the editor does not change stays, above all what it knows nothing of.
func TestEditKeepsTheRest(t *testing.T) {
	path := write(t, `# before
users:
  # of a
  - name: a # line
    # the PIN of a
    pin_ha1: [3d78807defe7de2157e2b0b6573a855f]
    pin_hash: $argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE # old
    sip: {username: u, password: p}
  - name: b
    identity: x@example.com
# after
`)
	e := edit(t, path)
	if err := e.SetPIN("a", secret.New("4711"), file.Plain); err != nil {
		t.Fatal(err)
	}
	if err := e.SetPIN("b", secret.New("4712"), file.Plain); err != nil {
		t.Fatal(err)
	}
	if err := e.Save(); err != nil {
		t.Fatal(err)
	}
	want := `# before
users:
  # of a
  - name: a # line
    # the PIN of a
    pin: "4711" # old
    sip: {username: u, password: p}
  - name: b
    identity: x@example.com
    pin: "4712"
# after
`
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// Save never writes over what somebody else has written, and follows a link.
func TestSave(t *testing.T) {
	path := write(t, "users: [{name: a}]")
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	e := edit(t, link)
	if err := e.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := e.Save(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "users: []\n" {
		t.Errorf("%q, %v", got, err)
	}
	rewrite(t, path, "users: [{name: b}]")
	if err := e.Save(); err == nil || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Errorf("%v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
	fresh := filepath.Join(t.TempDir(), "new.yaml")
	first, second := edit(t, fresh), edit(t, fresh)
	if err := first.Save(); err != nil {
		t.Fatal(err)
	}
	if err := second.Save(); err == nil || first.IsNew() {
		t.Errorf("two new files: %v", err)
	}
}

// Whatever is typed is taken as it is or refused, and after what is taken the server
// finds the user with that PIN.
func TestEditAnything(t *testing.T) {
	path := write(t, "users: [{name: a, aliases: [b], pin: x}]")
	rapid.Check(t, func(rt *rapid.T) {
		e := edit(t, path)
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9!&*~ "':#{}\[\]-]{0,8}`))
		name, alias, pin := text.Draw(rt, "name"), text.Draw(rt, "alias"), text.Draw(rt, "pin")
		display := text.Draw(rt, "display name")
		err := e.Add(directory.User{Name: name, Aliases: []string{alias}, DisplayName: display}, secret.New(pin), file.Plain)
		if err != nil {
			return
		}
		if err := e.SetPIN("a", secret.New(pin), file.Plain); err != nil {
			rt.Fatal(err)
		}
		for _, name := range []string{name, "a"} {
			u, err := e.Find(name)
			if err != nil || u.PIN.Reveal() != pin {
				rt.Fatalf("%q has %q, not %q: %v", name, u.PIN.Reveal(), pin, err)
			}
		}
		if u, _ := e.Find(name); u.DisplayName != display || u.Aliases[0] != alias {
			rt.Fatalf("%+v", u)
		}
	})
}
