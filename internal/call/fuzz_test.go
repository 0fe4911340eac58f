package call

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// statusLine is RFC 3261 section 25.1, Status-Line, with SIP/2.0 in any case, a phrase
// that may be left out, and white space around it.
var statusLine = regexp.MustCompile(`(?is)^sip/2\.0 ([1-6][0-9][0-9])(?:[ \r\n](.*))?$`)

// FuzzSipfrag: the status of a sipfrag is that of its status line, or there is none; what
// a status line says is read as it was meant; and a NOTIFY with it becomes one row with
// the same text.
func FuzzSipfrag(f *testing.F) {
	for _, s := range []string{
		"SIP/2.0 180 Ringing", "SIP/2.0 200 OK\r\nContact: <sip:b@h>\r\n", "sip/2.0 603", "SIP/2.0  200 OK", "SIP/2.0 999 X", "SIP/2.0 20x", "SIP/2.0 2000",
		"]]></status-line><x>", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>&e;", "SIP/2.0 486 <a&b>\x00\x1b\x7f\xff", "SIP/2.0 200 OK\u2028Route: <sip:evil>",
		"INVITE sip:b@h SIP/2.0\r\n", " SIP/2.0 180 Ringing ", "SIP/2.0 100\tTrying",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		want := 0
		if m := statusLine.FindStringSubmatch(body); m != nil {
			want, _ = strconv.Atoi(m[1])
		}
		if got := fragStatus(body); got != want {
			t.Errorf("%q has the status %d, want %d", body, got, want)
		}
		if phrase := fragPhrase("SIP/2.0 486 " + body); strings.ContainsAny(phrase, "\n") || !strings.Contains(body, phrase) {
			t.Errorf("%q has the phrase %q", body, phrase)
		}
		checkReport(t, body)
	})
}

// checkReport gives a call in REFER mode a NOTIFY with a sipfrag.
func checkReport(t *testing.T, body string) {
	t.Helper()
	c := New("id", order())
	for _, s := range up {
		c, _ = Step(c, s.event, nil)
	}
	before := len(c.Rows)
	c, _ = Step(c, notify(active, body), nil)
	text := clip(strings.TrimSpace(body), MaxRowText)
	if rows := c.Rows[before:]; text == "" && len(rows) != 0 || text != "" && (len(rows) != 1 || rows[0].Line != text) {
		t.Errorf("%q makes the rows %+v", body, rows)
	}
	status := fragStatus(strings.TrimSpace(body))
	if over := c.State == HandedOff || c.State == Ended; over != (status >= 200) || over && status >= 300 && c.Outcome.SIPCode != status {
		t.Errorf("%q, with the status %d, leaves the call %s %+v", body, status, c.State, c.Outcome)
	}
}

// FuzzEvent: Event and Subscription-State are a token and parameters, read as another
// reader would, and a NOTIFY is for this subscription or refused.
func FuzzEvent(f *testing.F) {
	for _, s := range []string{"refer", "Refer ; ID = 7", "refer;id=8;id=7", "terminated;reason=noresource", ";id=7", "", "refer ;x;id", "dialog"} {
		f.Add(s)
	}
	id := regexp.MustCompile(`(?i)^[ \t]*id[ \t]*(?:=(.*))?$`)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
			return
		}
		parts := strings.Split(s, ";")
		if got, want := token(s), strings.Trim(parts[0], " \t"); got != want {
			t.Errorf("token of %q is %q, want %q", s, got, want)
		}
		var want string
		found := false
		for _, p := range parts[1:] {
			if m := id.FindStringSubmatch(p); m != nil && !found {
				want, found = strings.Trim(m[1], " \t"), true
			}
		}
		if got, ok := param(s, "id"); got != want || ok != found {
			t.Errorf("id of %q is %q, %t, want %q, %t", s, got, ok, want, found)
		}
	})
}
