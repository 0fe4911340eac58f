package sip

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// FuzzParse: a message that was read is written so that it reads the same, and so is
// the answer to it. Of what Validate lets through every field is found where it stands.
func FuzzParse(f *testing.F) {
	f.Add([]byte(invite))
	files, err := filepath.Glob("testdata/rfc*/*.dat")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		if m.IsRequest() {
			checkRoundTrip(t, "refusal", NewResponse(m, 400, "", "local"))
		}
		if m.Validate() != nil {
			return
		}
		checkRoundTrip(t, "fuzz", m)
		checkTopVia(t, m)
		if m.IsRequest() {
			checkAnswer(t, m)
		}
	})
}

// checkTopVia: the topmost Via is replaced, and nothing else.
func checkTopVia(t *testing.T, m *Message) {
	t.Helper()
	v, err := m.Via()
	if err != nil {
		t.Fatal(err)
	}
	v.Params = v.Params.With("received", "192.0.2.1")
	want := slices.Collect(m.Values(Via))
	want[0] = v.String()
	changed := m.Clone()
	changed.SetTopVia(v)
	if got := slices.Collect(changed.Values(Via)); !slices.Equal(got, want) {
		t.Errorf("Vias %q, want %q", got, want)
	}
}

// checkAnswer: the answer to a valid request is valid and has both tags.
func checkAnswer(t *testing.T, m *Message) {
	t.Helper()
	resp := NewResponse(m, 200, "", "local")
	checkRoundTrip(t, "response", resp)
	again := parse(t, resp.String())
	if err := again.Validate(); err != nil {
		t.Errorf("the answer to a valid request is not valid: %v\n%s", err, resp)
	}
	from, _ := m.From()
	to, _ := m.To()
	want := to.Tag()
	if !to.Params.Has("tag") {
		want = "local"
	}
	if again.FromTag() != from.Tag() || again.ToTag() != want {
		t.Errorf("the answer has the tags %q and %q, want %q and %q", again.FromTag(), again.ToTag(), from.Tag(), want)
	}
}

// FuzzURI: a URI that is accepted is written as one that means the same, and stands
// in angle brackets without breaking out. Any text can be escaped into one.
func FuzzURI(f *testing.F) {
	for _, s := range []string{"sip:201@example.com", "sip:a;b@[::1]:5060;lr?X=1", "tel:1", "sip:%00@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkEscaped(t, s)
		u, err := ParseURI(s)
		if err != nil {
			return
		}
		again, err := ParseURI(u.String())
		if err != nil || again != u {
			t.Errorf("%q: %+v is written as %q and read as %+v, %v", s, u, u.String(), again, err)
		}
		a, err := ParseNameAddr("<" + u.String() + ">;tag=1")
		if err != nil || a.URI != u || a.Tag() != "1" {
			t.Errorf("%q in angle brackets is read as %+v, %v", s, a, err)
		}
	})
}

// checkEscaped puts a text where texts of users go.
func checkEscaped(t *testing.T, s string) {
	t.Helper()
	if s == "" {
		return
	}
	a, err := ParseNameAddr(Quote(s) + " <sip:" + EscapeUser(s) + "@h;x=1?Subject=" + EscapeHeader(s) + ">;tag=1")
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	value, ok := strings.CutPrefix(a.URI.Headers, "Subject=")
	if Unescape(a.URI.User) != s || a.URI.Host != "h" || a.URI.Params != ";x=1" || !ok || Unescape(value) != s || strings.Contains(value, "&") || a.Params != ";tag=1" {
		t.Errorf("%q is read as %+v", s, a)
	}
	if want := visible(s); a.Display != want {
		t.Errorf("%q is quoted as %q, want %q", s, a.Display, want)
	}
}

// visible is what a quoted-string can say of a text.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, s)
}

// FuzzNameAddr: what is accepted is written so that it reads the same, and takes a tag.
func FuzzNameAddr(f *testing.F) {
	for _, s := range []string{`"A \"B\"" <sip:a@b>;tag=1`, "sip:a@b;tag=2", "A B<sip:a@b>", `"" <tel:1>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseNameAddr(s)
		if err != nil || strings.ContainsAny(s, "\r\n\x00") {
			return
		}
		b, err := ParseNameAddr(a.String())
		if err != nil || a.URI != b.URI || a.Params != b.Params || Unquote(Quote(a.Display)) != b.Display {
			t.Errorf("%q: %+v is written as %q and read as %+v, %v", s, a, a.String(), b, err)
		}
		if got := tagOf(s); got != a.Tag() {
			t.Errorf("%q has the tag %q, by another way %q", s, a.Tag(), got)
		}
		if !a.Params.Has("tag") && tagOf(withTag(s, "local")) != "local" {
			t.Errorf("%q does not take a tag: %q", s, withTag(s, "local"))
		}
		if p := a.Params.With("x", "y"); p.get(t, "x") != "y" || !strings.HasPrefix(string(p), ";") {
			t.Errorf("%q with x=y is %q", a.Params, p)
		}
	})
}

func (p Params) get(t *testing.T, name string) string {
	t.Helper()
	a, err := ParseNameAddr("<sip:h>" + string(p))
	if err != nil {
		t.Error(err)
	}
	value, _ := a.Params.Get(name)
	return value
}

// FuzzList: the values of a list (Contact, Route, Record-Route, Via) are those of the
// list written anew, each for itself too.
func FuzzList(f *testing.F) {
	for _, s := range []string{`<sip:a,b@h>;x="c,d", "e,\"" <sip:f>`, ",, a ,\t,b", `"open, <sip:a>`, "<open, b", "SIP/2.0/UDP a, SIP/2.0/UDP b;x=\"\\\",\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := slices.Collect(SplitList(s))
		if again := slices.Collect(SplitList(strings.Join(list, ", "))); !slices.Equal(list, again) {
			t.Errorf("%q is %q, and that is %q", s, list, again)
		}
		m := &Message{Method: OPTIONS, RequestURI: "sip:h"}
		for _, v := range list {
			m.Add(Route, v)
			if one := slices.Collect(SplitList(v)); len(one) != 1 || one[0] != v {
				t.Errorf("%q has the value %q, which is %q", s, v, one)
			}
		}
		if got := slices.Collect(m.Values(Route)); !slices.Equal(list, got) {
			t.Errorf("%q in fields of their own is %q", list, got)
		}
	})
}

// FuzzVia: what is accepted is written so that it reads the same, and takes what a
// server adds.
func FuzzVia(f *testing.F) {
	for _, s := range []string{"SIP/2.0/UDP h:1;branch=z9hG4bK", "SIP / 2.0 / UDP [::1] : 5060 ;rport"} {
		f.Add(s)
	}
	source := netip.MustParseAddrPort("192.0.2.7:4711")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVia(s)
		if err != nil {
			return
		}
		again, err := ParseVia(v.String())
		if err != nil || again != v {
			t.Errorf("%q: %+v is written as %q and read as %+v, %v", s, v, v.String(), again, err)
		}
		r, err := ParseVia(v.Received(source).String())
		received, _ := r.Params.Get("received")
		if err != nil || r.Host != v.Host || r.Port != v.Port || r.Branch() != v.Branch() || v.Host != "192.0.2.7" && received != "192.0.2.7" {
			t.Errorf("%q, received from %s, is %+v, %v", s, source, r, err)
		}
		if port, asked := v.Params.Get("rport"); asked && port == "" {
			if got, _ := r.Params.Get("rport"); got != "4711" {
				t.Errorf("%q asks for rport and gets %q in %q", s, got, r)
			}
		}
	})
}

// FuzzCSeq: what is accepted is a number and a method, written so that it reads the same.
func FuzzCSeq(f *testing.F) {
	for _, s := range []string{"1 INVITE", "0 ACK", "00002147483647\tBYE", "2147483648 BYE", "-1 A", "1  A", "1", "1 A B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCSeq(s)
		if err != nil {
			return
		}
		m := NewRequest(c.Method, "sip:h")
		m.Add(CSeq, strconv.FormatUint(uint64(c.Seq), 10)+" "+c.Method)
		again, err := parse(t, m.String()).CSeq()
		if err != nil || again != c || c.Seq >= 1<<31 {
			t.Errorf("%q: %+v is read as %+v, %v", s, c, again, err)
		}
	})
}
