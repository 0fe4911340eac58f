package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/directory"
	"callcontroller/internal/directory/file"
	"callcontroller/internal/secret"
)

const domain = "lab.test"

// write makes a users file that only its owner can read.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yaml")
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, text string) *file.Directory {
	t.Helper()
	d, err := file.Open(write(t, text), domain)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const good = `
users:
  - name: 0201
    aliases: [alice, 3.14]
    display_name: Alice "A." Smith
    pin: 0123
    sip: {username: u201, password: "p:w"}
  - name: "202"
    identity: sales@example.com
    sip: {ha1: ABCDEF0123456789abcdef0123456789}
  - {name: zoë, pin: ""}
`

func TestLookup(t *testing.T) {
	d := open(t, good)
	want := directory.User{
		Name: "0201", Aliases: []string{"alice", "3.14"}, DisplayName: `Alice "A." Smith`, Identity: "0201@lab.test",
		PIN: secret.New("0123"), SIP: directory.Credentials{Username: "u201", Password: secret.New("p:w")},
	}
	for _, name := range []string{"0201", "alice", "3.14"} {
		got, ok := d.Lookup(name)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: %t, %s", name, ok, diff)
		}
	}
	want = directory.User{
		Name: "202", Identity: "sales@example.com",
		SIP: directory.Credentials{Username: "202", HA1: secret.New("abcdef0123456789abcdef0123456789")},
	}
	got, _ := d.Lookup("202")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if user, ok := d.Lookup("zoë"); !ok || !user.PIN.IsEmpty() || !user.SIP.IsZero() {
		t.Errorf("zoë: %+v, %t", user, ok)
	}
	for _, name := range []string{"", "Alice", "201", "Zoë", "0201@lab.test"} {
		if user, ok := d.Lookup(name); ok {
			t.Errorf("%q found %+v", name, user)
		}
	}
	if d.Len() != 3 || len(d.Notes()) != 0 {
		t.Errorf("%d users, notes %q", d.Len(), d.Notes())
	}
}

func TestFormsOfAPIN(t *testing.T) {
	const (
		sha  = "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
		md5  = "3d78807defe7de2157e2b0b6573a855f"
		hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE"
		dear = "$argon2id$v=19$m=512,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE"
	)
	d := open(t, `users:
  - {name: a, pin_ha1: [`+sha+", "+strings.ToUpper(md5)+`], admin: true}
  - name: b
    pin_hash: `+hash+`
    disabled: true
`)
	got, _ := d.Lookup("a")
	want := directory.User{Name: "a", Identity: "a@lab.test", PINHA1: []secret.Text{secret.New(sha), secret.New(md5)}, Admin: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, _ = d.Lookup("b")
	want = directory.User{Name: "b", Identity: "b@lab.test", PINHash: secret.New(hash), Disabled: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !d.Costliest().Equal(secret.New(hash)) || len(d.Notes()) != 0 {
		t.Errorf("notes %q", d.Notes())
	}
	d = open(t, "users: [{name: a, pin_hash: \""+hash+"\"}, {name: b}, {name: c, pin_hash: \""+dear+"\"}]")
	if !d.Costliest().Equal(secret.New(dear)) || len(d.Notes()) != 1 || !strings.Contains(d.Notes()[0], "asks for less work") {
		t.Errorf("notes %q", d.Notes())
	}
	if d = open(t, good); !d.Costliest().IsEmpty() {
		t.Error("there is none")
	}
}

func TestNoteWhenOthersCanRead(t *testing.T) {
	path := write(t, good)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := file.Open(path, domain)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{path + " has mode 0644: people other than its owner can read the secrets in it; chmod 600 ends that"}
	if diff := cmp.Diff(want, d.Notes()); diff != "" {
		t.Error(diff)
	}
}

func TestReloadKeepsTheOldUsersOnAMistake(t *testing.T) {
	path := write(t, `users: [{name: a, pin: "1"}]`)
	d, err := file.Open(path, domain)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "users:", "users: [{name: b}, {name: b}]", "users: [{name: b", "other: []"} {
		rewrite(t, path, bad)
		if err := d.Reload(); err == nil || !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%q: %v", bad, err)
		}
		if _, ok := d.Lookup("a"); !ok {
			t.Fatalf("%q: the old user is gone", bad)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: %v", err)
	}
	rewrite(t, path, "users: [{name: b}]")
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Lookup("a"); ok || d.Len() != 1 {
		t.Error("the old user is still there")
	}
}

func TestFromUsersAndReplace(t *testing.T) {
	d, err := file.FromUsers([]directory.User{{Name: "a"}, {Name: "b", Aliases: []string{"c"}}}, domain)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Replace([]directory.User{{Name: "x", Aliases: []string{"y"}}, {Name: "y", Identity: "y"}, {}})
	want := `users[1].name "y": is taken, it stands first in users[0].aliases[0]` + "\n" +
		`users[1].identity "y": must be user@host, without "sip:"` + "\n" +
		"users[2].name: is missing or empty"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := d.Reload(); err != nil {
		t.Error(err)
	}
	if user, ok := d.Lookup("c"); !ok || user.Identity != "b@lab.test" {
		t.Errorf("%+v, %t", user, ok)
	}
}

// Readers see one whole state or the other, never a mixture.
func TestReloadWhileLookingUp(t *testing.T) {
	const states = 50
	text := func(i int) string { return fmt.Sprintf("users: [{name: a, aliases: [b], display_name: \"%d\"}]", i) }
	path := write(t, text(0))
	d, err := file.Open(path, domain)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if user, ok := d.Lookup("b"); !ok || user.Name != "a" || user.DisplayName == "" {
					t.Errorf("%+v, %t", user, ok)
					return
				}
			}
		})
	}
	for i := range states {
		rewrite(t, path, text(i))
		if err := d.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
	if user, _ := d.Lookup("a"); user.DisplayName != strconv.Itoa(states-1) {
		t.Errorf("%+v", user)
	}
}

func BenchmarkLookup(b *testing.B) {
	users := make([]directory.User, 10_000)
	for i := range users {
		users[i].Name = strconv.Itoa(i)
	}
	d, err := file.FromUsers(users, domain)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := d.Lookup("4711"); !ok {
				b.Error("not found")
			}
		}
	})
}
