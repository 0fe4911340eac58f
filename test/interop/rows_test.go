package interop

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// row is one <status> of the status document.
type row struct {
	Timestamp  int64  `xml:"timestamp"`
	CallID     string `xml:"call-id"`
	Method     string `xml:"method"`
	StatusLine string `xml:"status-line"`
}

func (r row) String() string { return r.Method + " " + r.StatusLine }

// short is the row without the reason phrase, in which programs differ, such as
// "INVITE 180". A row that is no status line stays as it is.
func (r row) short() string {
	status, found := strings.CutPrefix(r.StatusLine, "SIP/2.0 ")
	if !found || len(status) < 3 {
		return r.String()
	}
	return r.Method + " " + status[:3]
}

// shortRows are the rows in short form, one a line.
func shortRows(rows []row) string {
	var text strings.Builder
	for _, r := range rows {
		text.WriteString(r.short() + "\n")
	}
	return text.String()
}

// want is a whole list of rows, in short form. A row that ends in "?" may be
// missing.
type want []string

func (w want) match(rows []row) error {
	var pattern strings.Builder
	for _, r := range w {
		name, optional := strings.CutSuffix(r, "?")
		pattern.WriteString("(" + regexp.QuoteMeta(name) + "\n)")
		if optional {
			pattern.WriteString("?")
		}
	}
	got := shortRows(rows)
	if !regexp.MustCompile("^" + pattern.String() + "$").MatchString(got) {
		return fmt.Errorf("the rows are\n%swanted (? may be missing)\n%s", got, strings.Join(w, "\n"))
	}
	return nil
}

// The rows that most calls begin with: the proxy challenges the first INVITE,
// tells that it has passed on the second, and the phone rings and answers. The
// server may put a 100 of its own in front.
var (
	challenged = want{"INVITE 100?", "INVITE 407", "INVITE 100"}
	answered   = challenged.then("INVITE 180", "INVITE 200")
)

func (w want) then(rows ...string) want { return append(slices.Clone(w), rows...) }

func TestRowsMatch(t *testing.T) {
	rows := []row{
		{Method: "INVITE", StatusLine: "SIP/2.0 407 Proxy Authentication Required"},
		{Method: "INVITE", StatusLine: "SIP/2.0 100 trying"},
		{Method: "INVITE", StatusLine: "SIP/2.0 486 Busy Here"},
	}
	for _, w := range []want{challenged.then("INVITE 486"), {"INVITE 407", "INVITE 100", "INVITE 180?", "INVITE 486"}} {
		if err := w.match(rows); err != nil {
			t.Error(err)
		}
	}
	for _, w := range []want{challenged, answered, challenged.then("INVITE 486", "NOTIFY 100"), {}} {
		if w.match(rows) == nil {
			t.Errorf("%v matches %v", w, rows)
		}
	}
}
