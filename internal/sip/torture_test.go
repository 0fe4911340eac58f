package sip

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// corpus reads testdata/NAME/expect.txt: message, section, validity, answer, and a note.
func corpus(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name, "expect.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if c := strings.Split(s.Text(), "\t"); len(c) >= 4 {
			rows = append(rows, c)
		}
	}
	return rows
}

// verdict is what this package alone says of a message: "drop" when it cannot be
// represented or is a response that must not be used, a status when it is to be
// refused with it, "ok" when the layers above decide.
func verdict(data []byte) string {
	m, err := Parse(data)
	if err != nil {
		return "drop"
	}
	var bad *InvalidError
	switch err := m.Validate(); {
	case err == nil:
		return "ok"
	case m.IsResponse():
		return "drop"
	case errors.As(err, &bad):
		return strconv.Itoa(bad.Status)
	default:
		return "no status"
	}
}

// TestZ16TortureMessages holds the parser against RFC 4475 and RFC 5118: what is
// valid is read, what is not is refused with the status that the RFC names or
// dropped. Answers that need more than the message (501, 420, 415, 200) are
// checked where they are given, in package dialog.
func TestZ16TortureMessages(t *testing.T) {
	for _, set := range []string{"rfc4475", "rfc5118"} {
		for _, row := range corpus(t, set) {
			t.Run(set+"/"+row[0], func(t *testing.T) {
				data, err := os.ReadFile(filepath.Join("testdata", set, row[0]+".dat"))
				if err != nil {
					t.Fatal(err)
				}
				got := verdict(data)
				if !accepts(row, got) {
					m, err := Parse(data)
					if m != nil {
						err = m.Validate()
					}
					t.Errorf("verdict %q (%v), but section %s says %s %s: %s", got, err, row[1], row[2], row[3], row[len(row)-1])
				}
			})
		}
	}
}

func accepts(row []string, got string) bool {
	if row[2] == "valid" && row[3] != "drop" {
		// 416 and 400 for what is valid but of no use to a UA come from Validate.
		return got == "ok" || got != "drop" && strings.Contains(row[3], got)
	}
	for want := range strings.SplitSeq(row[3], ",") {
		switch {
		case want == got, want == "any" && got == "ok":
			return true
		case want == "drop" && row[0] == "bcast":
			return got == "ok" // Section 8.1.3.3 is checked where responses are matched.
		case got == "ok" && (want == "501" || want == "406"):
			return true
		}
	}
	// baddn has no end of header in the archive: nothing can be made of it.
	return row[0] == "baddn" && got == "drop"
}

// TestRoundTrip: writing what was read and reading it again gives the same
// message, field by field.
func TestRoundTrip(t *testing.T) {
	for _, set := range []string{"rfc4475", "rfc5118"} {
		for _, row := range corpus(t, set) {
			data, err := os.ReadFile(filepath.Join("testdata", set, row[0]+".dat"))
			if err != nil {
				t.Fatal(err)
			}
			if m, err := Parse(data); err == nil {
				checkRoundTrip(t, row[0], m)
			}
		}
	}
}

func checkRoundTrip(t *testing.T, name string, m *Message) {
	t.Helper()
	written := m.Bytes()
	if len(written) != m.Size() {
		t.Errorf("%s: %d bytes are written, and Size tells %d", name, len(written), m.Size())
	}
	again, err := Parse(written)
	if err != nil {
		t.Errorf("%s: what was written cannot be read: %v", name, err)
		return
	}
	if again.Method != m.Method || again.Status != m.Status || again.RequestURI != m.RequestURI {
		t.Errorf("%s: start line %q %q %d became %q %q %d", name, m.Method, m.RequestURI, m.Status, again.Method, again.RequestURI, again.Status)
	}
	if string(again.Body) != string(m.Body) {
		t.Errorf("%s: body changed", name)
	}
	want, got := kept(m), kept(again)
	if len(want) != len(got) {
		t.Errorf("%s: %d fields became %d", name, len(want), len(got))
		return
	}
	for i := range want {
		if want[i] != got[i] {
			t.Errorf("%s: field %q became %q", name, want[i], got[i])
		}
	}
}

// kept lists the fields that must survive: all but Content-Length, which the
// writer makes, with control characters as the writer cleans them.
func kept(m *Message) []Field {
	var fields []Field
	for _, f := range m.Fields {
		if f.Header != ContentLength {
			f.Value = strings.Trim(string(appendClean(nil, f.Value)), " \t")
			fields = append(fields, f)
		}
	}
	return fields
}
