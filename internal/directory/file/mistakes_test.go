package file_test

import (
	"os"
	"strings"
	"testing"

	"callcontroller/internal/directory/file"
)

// All mistakes of a file are told at once, in the order of its lines.
func TestMistakesGolden(t *testing.T) {
	const path = "testdata/mistakes.yaml"
	want, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Open(path, domain)
	if err == nil {
		t.Fatal("no fault at all")
	}
	if got := err.Error() + "\n"; got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(err.Error(), "geheim") {
		t.Error("a secret is printed")
	}
}

func TestWholeFileMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                          `: users: is missing: the file is empty; for no users write "users: []"`,
		"{}":                        ":1:1: users: is missing",
		"users:":                    `:1:7: users: must be a list: [one, two] or lines that start with "- "`,
		"- name: a":                 `:1:1: must be a mapping: lines of the form "name: value"`,
		"user: [{name: a}]":         ":1:1: user: unknown key; did you mean users?",
		"users: [{name: a}":         ":1: not YAML: did not find expected ',' or ']'",
		"users: [a]":                `:1:9: users[0]: must be a mapping: lines of the form "name: value"`,
		"users: []\nusers: []":      ":2:1: users: stands here a second time, first in line 1",
		"users: [{name: a, pin: }]": `:1:24: users[0].pin: has no value: write one, "" for an empty one, or leave the key out`,
	} {
		path := write(t, text)
		_, err := file.Open(path, domain)
		if err == nil || err.Error() != path+want {
			t.Errorf("%q\n got %v\nwant %s", text, err, path+want)
		}
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	for _, name := range []string{
		" ", "a b", "a@b", "a:b", "a<b", "a>b", `a\"b`, "a?b", "a;b", "a,b", `a\\b`, "a/b", `a\r\nb`, `a\0b`, `\u2028`, `\u202ea`, `\u00a0`,
		".", "..", strings.Repeat("a", 129),
	} {
		if _, err := file.Open(write(t, `users: [{name: "`+name+`"}]`), domain); err == nil {
			t.Errorf("%q was taken as a name", name)
		}
	}
	for _, name := range []string{"a", "+41", "a.b-c_d~e", "é", "名前", "*21#", "a%40b", "O'Neil"} {
		if _, err := file.Open(write(t, `users: [{name: "`+name+`"}]`), domain); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
