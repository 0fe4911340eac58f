package conformance

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tests that are missing into docs/conformance.md")

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	rowInName = regexp.MustCompile(`[UFTMRXZ][0-9]{2}`)
	rowOnPage = regexp.MustCompile(`^\| ([UFTMRXZ][0-9]{2}) \|`)
	testCell  = regexp.MustCompile("`((?:Test|Fuzz)\\w+)` in ([\\w/]+)")
)

// TestPageNamesTheTests holds docs/conformance.md: a test that is named for a row stands
// in the last column of that row, and what stands there is a test that there is.
func TestPageNamesTheTests(t *testing.T) {
	root := filepath.Join("..", "..")
	all := testsOf(t, root)
	page := filepath.Join(root, "docs", "conformance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if m := rowOnPage.FindStringSubmatch(line); m != nil {
			lines[i] = withTests(t, line, all, m[1])
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// testsOf finds the tests of the module, each as it stands on the page.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			all[fmt.Sprintf("`%s` in %s", m[1], filepath.ToSlash(dir))] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// withTests gives the line of a row with its tests as they should be.
func withTests(t *testing.T, line string, all map[string]bool, row string) string {
	t.Helper()
	cells := strings.Split(strings.TrimSuffix(line, "|"), "|")
	last := len(cells) - 1
	var names []string
	for _, name := range strings.Split(strings.TrimSpace(cells[last]), ", ") {
		switch {
		case testCell.MatchString(name) && !all[name]:
			t.Errorf("row %s names %s, which there is not", row, name)
		case name != "":
			names = append(names, name)
		}
	}
	for name := range all {
		if slices.Contains(rowInName.FindAllString(name, -1), row) && !slices.Contains(names, name) {
			if !*update {
				t.Errorf("row %s does not name %s; go test ./test/conformance -run Page -update writes it", row, name)
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	cells[last] = " " + strings.Join(names, ", ") + " "
	return strings.Join(cells, "|") + "|"
}
