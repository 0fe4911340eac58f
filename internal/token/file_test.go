package token_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

func open(t *testing.T, path string, log *bytes.Buffer) *token.Store {
	t.Helper()
	s, err := token.Open(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func found(s *token.Store, text secret.Text) bool {
	_, ok := s.Find(token.HashOf(text))
	return ok
}

// The file is for its owner only, and nothing in it is the token.
func TestCreateAndList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "tokens.json")
	first, a := create(t, path)
	second, b, err := token.Create(path, token.Token{Scopes: token.CallsWrite | token.Admin, Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := token.List(path); err != nil || cmp.Diff([]token.Token{a, b}, all) != "" {
		t.Errorf("%+v, %v", all, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte(first.Reveal()[4:20])) || bytes.Contains(text, []byte(second.Reveal()[4:20])) {
		t.Errorf("the file is %s, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	s := open(t, path, &bytes.Buffer{})
	if got, ok := s.Find(token.HashOf(second)); !ok || got != b || s.Len() != 2 {
		t.Errorf("%+v, %v", got, ok)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestTokensThatMakeNoSense(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	for want, bad := range map[string]token.Token{
		"agent: is missing":         {Scopes: token.CallsRead | token.CallsWrite},
		"scopes: neither":           {Agent: "201", Scopes: token.Admin},
		"note: is longer":           {Agent: "201", Scopes: token.CallsRead, Note: strings.Repeat("x", 257)},
		"note: has the control":     {Agent: "201", Scopes: token.CallsRead, Note: "a\nb"},
		"agent: has the control":    {Agent: "2\x00", Scopes: token.CallsRead},
		"agent: is not UTF-8":       {Agent: "2\xff", Scopes: token.CallsRead},
		"note: has the control cha": {Agent: "201", Scopes: token.CallsRead, Note: "\u2028"},
	} {
		if _, _, err := token.Create(path, bad); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a file")
	}
}

// Whoever edits at the same time loses nothing.
func TestEditsAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	const many = 20
	_, gone := create(t, path)
	ids := make(chan string, many)
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			_, made, err := token.Create(path, token.Token{Agent: "201", Scopes: token.CallsRead})
			if err != nil {
				t.Error(err)
			}
			ids <- made.ID
		})
	}
	all.Go(func() {
		if was, err := token.Revoke(path, gone.ID); err != nil || was != gone {
			t.Errorf("%+v, %v", was, err)
		}
	})
	all.Wait()
	close(ids)
	want, got := map[string]bool{}, map[string]bool{}
	for id := range ids {
		want[id] = true
	}
	list, err := token.List(path)
	for _, made := range list {
		got[made.ID] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || len(got) != many {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := token.Revoke(path, gone.ID); err == nil || !strings.Contains(err.Error(), "there is no token") {
		t.Error(err)
	}
}

// A link stays one, and mode 0640 stays 0640: somebody has wanted it so.
func TestFileThatIsElsewhere(t *testing.T) {
	path, link := filepath.Join(t.TempDir(), "tokens.json"), filepath.Join(t.TempDir(), "link")
	create(t, path)
	if err := os.Chmod(path, 0o640); err != nil { //nolint:gosec // it is what is tried
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	create(t, link)
	if list, err := token.List(path); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
}

const entry = `{"id": "a", "agent": "201", "scopes": ["calls:read"], "created": "2026-11-26T00:00:00Z", "sha256": "%064d"}`

// What is wrong with a file is told; nothing of it is taken.
func TestMistakesOfTheFile(t *testing.T) {
	one := fmt.Sprintf(entry, 1)
	for _, tt := range []struct{ text, want string }{
		{"", "the file is empty"},
		{`{"tokens": [` + one, "cut short"},
		{"{\n\"tokens\": [}", "line 2: no JSON"},
		{"{}", "tokens: is missing"},
		{`{"tokens": []} x`, "behind the end"},
		{`{"tokens": [], "more": 1}`, `unknown field "more"`},
		{`{"tokens": [` + one + "," + one + `]}`, `tokens[1].id "a": stands in the list before`},
		{`{"tokens": [` + one + "," + strings.Replace(one, `"a"`, `"b"`, 1) + `]}`, "tokens[1].sha256: stands in the list before"},
		{`{"tokens": [` + fmt.Sprintf(entry, 0) + `]}`, "tokens[0].sha256: is missing"},
		{`{"tokens": [` + strings.Replace(one, "000", "", 1) + `]}`, "sha256 has 61 characters"},
		{`{"tokens": [` + strings.Replace(one, "000", "xyz", 1) + `]}`, "invalid byte"},
		{`{"tokens": [` + strings.Replace(one, "read", "reed", 1) + `]}`, `scope "calls:reed": there is none of that name`},
		{`{"tokens": [` + strings.Replace(one, `"agent": "201", `, "", 1) + `]}`, "tokens[0].agent: is missing"},
		{`{"tokens": [` + strings.Replace(one, `"id": "a", `, "", 1) + `]}`, "tokens[0].id: is missing"},
		{`{"tokens": [` + strings.Replace(one, `"created": "2026-11-26T00:00:00Z", `, "", 1) + `]}`, "tokens[0].created: is missing"},
		{`{"tokens": [` + strings.Replace(one, `"created": "2026-11-26`, `"created": "2026-13-26`, 1) + `]}`, "month out of range"},
	} {
		path := filepath.Join(t.TempDir(), "tokens.json")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := token.Open(path, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s\n got %v\nwant %s", tt.text, err, tt.want)
		}
		if _, _, err := token.Create(path, token.Token{Agent: "201", Scopes: token.CallsRead}); err == nil {
			t.Errorf("%s: edited", tt.text)
		}
	}
}

// A server that runs sees what has changed within a second, and asks the disk no more
// often than that.
func TestChangesWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens.json")
		var log bytes.Buffer
		s := open(t, path, &log)
		first, a := create(t, path)
		second, _ := create(t, path)
		if found(s, first) {
			t.Error("found before the disk was asked again")
		}
		time.Sleep(time.Second)
		if !found(s, first) || !found(s, second) {
			t.Error("not found after a second")
		}
		if _, err := token.Revoke(path, a.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if found(s, first) || !found(s, second) {
			t.Error("the one that was revoked is found, or the other is not")
		}
		if n := strings.Count(log.String(), "tokens reloaded"); n != 2 {
			t.Errorf("%d reloads:\n%s", n, log.String())
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if found(s, second) || s.Len() != 0 {
			t.Error("without a file there are tokens")
		}
	})
}

// What cannot be read changes nothing, and is told once.
func TestCorruptWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens.json")
		var log bytes.Buffer
		text, _ := create(t, path)
		s := open(t, path, &log)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, good[:40], 0o600); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(time.Second)
			if !found(s, text) {
				t.Error("the old ones are not in force")
			}
		}
		if n := strings.Count(log.String(), "tokens not reloaded"); n != 1 || !strings.Contains(log.String(), "cut short") {
			t.Errorf("told %d times:\n%s", n, log.String())
		}
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "cut short") || !found(s, text) {
			t.Errorf("%v", err)
		}
		if err := os.WriteFile(path, []byte(`{"tokens": []}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err != nil || found(s, text) {
			t.Errorf("%v", err)
		}
	})
}

// Whoever asks while others edit finds what was there before or what is there now.
func TestFindWhileOthersEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	stays, _ := create(t, path)
	s := open(t, path, &bytes.Buffer{})
	var all sync.WaitGroup
	all.Go(func() {
		for range 20 {
			_, made := create(t, path)
			if _, err := token.Revoke(path, made.ID); err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		all.Go(func() {
			for range 50 {
				if err := s.Reload(); err != nil || !found(s, stays) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
}
