package legacy

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode"

	"callcontroller/internal/call"
)

// visible is what a client is to read of a text: the same, with U+FFFD for control
// characters, bytes that are not UTF-8, and what XML has no place for.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// FuzzZ14T09Text is rows Z14 and T09: whatever a phone puts into a sipfrag, the document
// is XML 1.0 with the same structure, and whoever parses it reads the same text.
func FuzzZ14T09Text(f *testing.F) {
	for _, text := range []string{
		"SIP/2.0 180 Ringing", "<a&b>", "]]></status-line><x>", "<!DOCTYPE x>", "\x00\x1b\x7f\u0085", "a\r\nb\rc\n\td", "\xff\xc0\xaf", "\ufffe\uffff\ufeff😀", "&#0;&amp;",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows := []call.Row{{At: 1, SIPCallID: text, Method: call.ByNotify, Line: text}, {At: 2, Method: call.ByInvite}}
		b := appendRows(nil, rows)
		var d struct {
			XMLName xml.Name `xml:"http://www.sipfoundry.org/sipX/schema/xml/call-status-00-00 status-lines"`
			Status  []struct {
				Timestamp int64  `xml:"timestamp"`
				CallID    string `xml:"call-id"`
				Method    string `xml:"method"`
				Line      string `xml:"status-line"`
			} `xml:"status"`
		}
		if err := xml.Unmarshal(b, &d); err != nil {
			t.Fatalf("%v in %q", err, b)
		}
		if len(d.Status) != 2 || d.Status[0].Timestamp != 1 || d.Status[1].Method != "INVITE" {
			t.Fatalf("%q is read as %+v", b, d)
		}
		if want := visible(text); d.Status[0].Line != want || d.Status[0].CallID != want {
			t.Errorf("%q is read as %q and %q, want %q", text, d.Status[0].Line, d.Status[0].CallID, want)
		}
		if text == visible(text) && !strings.ContainsAny(text, "<>&\r") && len(b) != sizeOfRows(rows)-2*12 {
			t.Errorf("%d bytes were written, %d reckoned", len(b), sizeOfRows(rows))
		}
	})
}
