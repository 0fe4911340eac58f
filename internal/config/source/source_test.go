package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/config/source"
)

// read walks a document as a caller would: a mapping with the names text and list,
// and a mapping inner.
func read(d *source.Document) {
	if d.Root() == nil {
		return
	}
	for _, f := range d.Fields(d.Root(), "") {
		switch f.Name {
		case "list":
			for _, item := range d.Items(f.Content, f.Path) {
				d.Scalar(item, f.Path)
			}
		case "inner":
			for _, g := range d.Fields(f.Content, f.Path) {
				d.Scalar(g.Content, g.Path)
			}
		default:
			d.Scalar(f.Content, f.Path)
		}
	}
}

func TestFaultsHaveTheirPlace(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing wrong", "text: a\nlist: [a, b]\ninner: {x: 1}\n", ""},
		{"empty", "", ""},
		{"only a comment", "# nothing\n", ""},
		{"not a mapping", "- a\n", `f:1:1: must be a mapping: lines of the form "name: value"`},
		{"twice", "text: a\ntext: b\n", `f:2:1: text: stands here a second time, first in line 1`},
		{"no value", "text:\n", `f:1:6: text: has no value: write one, "" for an empty one, or leave the key out`},
		{"null", "text: ~\n", `f:1:7: text: has no value: write one, "" for an empty one, or leave the key out`},
		{"list for text", "text: [a]\n", `f:1:7: text: must be a single value, not a list or mapping`},
		{"text for list", "list: a\n", `f:1:7: list: must be a list: [one, two] or lines that start with "- "`},
		{"text for mapping", "inner: a\n", `f:1:8: inner: must be a mapping: lines of the form "name: value"`},
		{"alias", "text: a\ninner: {x: &a b, y: *a}\n", "f:2:12: inner.x: an anchor is not allowed here; quote a value that starts with \"&\"\n" +
			`f:2:21: inner.y: an alias is not allowed here; quote a value that starts with "*"`},
		{"tag", "text: !secret a\n", `f:1:7: text: a tag is not allowed here; quote a value that starts with "!"`},
		{"merge key", "<<: {text: a}\n", `f:1:1: what stands here is no name of a key; is a space missing behind its colon?`},
		{"key is a list", "? [a]\n: b\n", `f:1:3: what stands here is no name of a key; is a space missing behind its colon?`},
		{"two documents", "text: a\n---\ntext: b\n", `f:2:1: a second document starts here: only one may stand in the file`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := source.Parse("f", []byte(tt.text))
			read(d)
			if got := d.Faults.Error(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// The YAML library leaves the line out, or names the one above; these are the
// lines that a person has to look at.
func TestSyntaxFaultsNameTheLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"text: b: c\n", "f:1: not YAML: mapping values are not allowed in this context"},
		{"x: 1\ntext: b: c\n", "f:2: not YAML: mapping values are not allowed in this context"},
		{"text: @x\n", "f:1: not YAML: found character that cannot start any token"},
		{"x: 1\ntext: @x\n", "f:2: not YAML: found character that cannot start any token"},
		{"x: 1\n\ttext: x\n", "f:2: not YAML: found a tab character that violates indentation"},
		{"x: 1\ny: 2\ntext: [a\nz: 3\n", "f:3: not YAML: did not find expected ',' or ']'"},
		{"inner:\n  x: 1\n y: 2\n", "f:3: not YAML: did not find expected key"},
		{"x: 1\ntext: \x01\n", "f:2: not YAML: control characters are not allowed"},
		{"x: 1\ntext: \xff\n", "f:2: not YAML: invalid leading UTF-8 octet"},
	} {
		if got := source.Parse("f", []byte(tt.text)).Faults.Error(); got != tt.want {
			t.Errorf("%q\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

// Row Z20: a secret that the YAML makes something else of is not printed.
func TestZ20FaultsDoNotPrintWhatMayBeASecret(t *testing.T) {
	for _, text := range []string{
		"x: 1\ntext: *geheim\n", "text: !geheim x\n", "text: &geheim x\n", "text: [geheim]\n", "inner: geheim\n",
		"inner: {text:geheim}\n", "geheim\n", "list: geheim\n", "text: geheim: x\n", "inner: {geheim: }{\n", "text: @geheim\n",
	} {
		d := source.Parse("f", []byte(text))
		read(d)
		if len(d.Faults) == 0 {
			t.Errorf("%q: no fault", text)
		}
		if got := d.Faults.Error(); strings.Contains(got, "geheim") {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestScalarKeepsTheSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"x: 0123": "0123", "x: 1_000": "1_000", "x: yes": "yes", "x: 2001-01-01": "2001-01-01", `x: "~"`: "~", "x: 1e3": "1e3", `x: ""`: "",
	} {
		d := source.Parse("f", []byte(text))
		got, ok := d.Scalar(d.Fields(d.Root(), "")[0].Content, "x")
		if !ok || got != want {
			t.Errorf("%s: %q, %t, %s", text, got, ok, d.Faults)
		}
	}
}

func TestFaultsSort(t *testing.T) {
	d := source.Parse("f", []byte("b: 1\na: 2\n"))
	fields := d.Fields(d.Root(), "")
	d.Fault(nil, "first", "", "r")
	d.Fault(fields[1].Content, "a", "2", "r")
	d.Fault(fields[0].Content, "b", strings.Repeat("é", 60), "r")
	d.Fault(fields[0].NameAt, "b", "", "r")
	d.Faults.Sort()
	want := "f:1:1: b: r\nf:1:4: b \"" + strings.Repeat("é", 40) + "...\": r\nf:2:4: a \"2\": r\nf: first: r"
	if got := d.Faults.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"sip.domain", "sip.proxy", "http.listen", "users.file"}
	for word, want := range map[string]string{
		"sip.domian": "sip.domain", "domain": "sip.domain", "htp.listen": "http.listen", "http.lissten": "http.listen",
		"x.file": "users.file", "nonsense": "", "": "", "sip": "",
	} {
		if got := source.Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if _, err := source.ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := source.ReadFile(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := source.ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("endless file: %v", err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o640: true, 0o604: true, 0o400: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		f, err := source.ReadFile(path)
		if err != nil || string(f.Text) != "x" || (f.Exposed != "") != exposed {
			t.Errorf("mode %o: %+v, %v", mode, f, err)
		}
	}
}

// Every fault is one line that has a place; nothing panics or hangs.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"text: a\nlist: [a]\ninner: {x: y}", "a: &a [*a]", "---\n---\n", "%TAG ! x\n---\na: !x b", "? ? ?", "*a : b", "\ufeffa: b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := source.Parse("f", text)
		read(d)
		for _, fault := range d.Faults {
			if !strings.HasPrefix(fault.String(), "f:") || strings.ContainsAny(fault.String(), "\r\n") {
				t.Errorf("a fault without its place, or not on one line: %q", fault.String())
			}
		}
	})
}
