package token_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

// create makes a token of 201 in a file.
func create(t *testing.T, path string) (secret.Text, token.Token) {
	t.Helper()
	text, made, err := token.Create(path, token.Token{Agent: "201", Scopes: token.CallsRead, Note: "help desk"})
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

// The form is one that programs which look for secrets are told.
func TestForm(t *testing.T) {
	path := t.TempDir() + "/tokens.json"
	form := regexp.MustCompile(`^cct_[a-z2-7]{39}$`)
	seen := map[string]bool{}
	for range 50 {
		text, made := create(t, path)
		if !form.MatchString(text.Reveal()) || token.CheckForm(text) != nil {
			t.Fatalf("%q: %v", text.Reveal(), token.CheckForm(text))
		}
		if seen[text.Reveal()] || seen[made.ID] || len(made.ID) != 8 || strings.Contains(text.Reveal(), made.ID) {
			t.Fatalf("%q %q", text.Reveal(), made.ID)
		}
		seen[text.Reveal()], seen[made.ID] = true, true
	}
}

// A slip of the pen is found, and is not repeated by who tells of it.
func TestTyposAreFound(t *testing.T) {
	text, _ := create(t, t.TempDir()+"/tokens.json")
	good := text.Reveal()
	rapid.Check(t, func(rt *rapid.T) {
		bad := []byte(good)
		switch i := rapid.IntRange(0, len(bad)-1).Draw(rt, "where"); rapid.IntRange(0, 3).Draw(rt, "what") {
		case 0:
			bad[i] = rapid.Byte().Draw(rt, "other")
		case 1:
			bad = append(bad[:i], bad[i+1:]...)
		case 2:
			bad = append(bad[:i], append([]byte{rapid.Byte().Draw(rt, "more")}, bad[i:]...)...)
		case 3:
			j := max(i, 1)
			bad[j-1], bad[j] = bad[j], bad[j-1]
		}
		err := token.CheckForm(secret.New(string(bad)))
		if (err == nil) != (string(bad) == good) {
			rt.Errorf("%q for %q: %v", bad, good, err)
		}
		if err != nil && strings.Contains(err.Error(), good[4:20]) {
			rt.Errorf("repeated: %v", err)
		}
	})
}

// FuzzCheckForm: what passes is of the one form.
func FuzzCheckForm(f *testing.F) {
	for _, text := range []string{"", "cct_", "cct_" + strings.Repeat("a", 39), "CCT_" + strings.Repeat("a", 39), strings.Repeat("cct_", 11)[:43]} {
		f.Add(text)
	}
	form := regexp.MustCompile(`^cct_[a-z2-7]{32}[a-z2-7]{6}[aiqy]$`) // the last has two bits of the sum
	f.Fuzz(func(t *testing.T, text string) {
		if token.CheckForm(secret.New(text)) == nil && !form.MatchString(text) {
			t.Errorf("%q passes", text)
		}
	})
}

func TestScopes(t *testing.T) {
	if len(token.Names()) != 3 {
		t.Error(token.Names())
	}
	all := token.CallsRead | token.CallsWrite | token.Admin
	for bits := range all + 1 {
		text, err := json.Marshal(bits)
		var back token.Scope
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != bits || len(bits.Split()) != strings.Count(string(text), `"`)/2 || !all.Has(bits) {
			t.Errorf("%d becomes %s, then %d: %v", bits, text, back, err)
		}
	}
	if all.String() != "calls:read calls:write admin" || token.CallsRead.Has(all) || !token.CallsRead.Has(0) {
		t.Error(all.String())
	}
	if _, err := token.ParseScope("calls"); err == nil || err.Error() != `scope "calls": there is none of that name; there are calls:read, calls:write, admin` {
		t.Error(err)
	}
}
