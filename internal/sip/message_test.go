package sip

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const invite = "INVITE sip:201@example.com SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1, SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK2\r\n" +
	"f: \"A, \\\"B\\\" <x>\" <sip:203@example.com;p=1>;tag=88;x=\"a;b\"\r\n" +
	"T: <sip:201@example.com>\r\n" +
	"i: abc@host\r\n" +
	"CSEQ:   007   INVITE\r\n" +
	"Record-Route: <sip:p1.example.com;lr;ftag=1>,\r\n <sip:p2.example.com;lr=on>;odd=\"x,y\"\r\n" +
	"m: <sip:203@192.0.2.1>\r\n" +
	"X-Strange-Field : kept   as  it is\r\n" +
	"Max-Forwards: 70\r\n" +
	"l: 4\r\n" +
	"\r\n" +
	"v=0\n"

func parse(t *testing.T, text string) *Message {
	t.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return m
}

func TestParse(t *testing.T) {
	m := parse(t, invite)
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	from, err := m.From()
	if err != nil {
		t.Fatal(err)
	}
	via, err := m.Via()
	if err != nil {
		t.Fatal(err)
	}
	cseq, err := m.CSeq()
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for r := range m.Values(RecordRoute) {
		routes = append(routes, r)
	}
	x, _ := from.Params.Get("x")
	got := []any{from.Display, from.URI.String(), from.Tag(), x, via.Branch(), via.Port, cseq, routes, m.GetOther("x-strange-field"), string(m.Body)}
	want := []any{
		`A, "B" <x>`, "sip:203@example.com;p=1", "88", "a;b", "z9hG4bK1", 5060,
		CSeqValue{7, "INVITE"},
		[]string{"<sip:p1.example.com;lr;ftag=1>", `<sip:p2.example.com;lr=on>;odd="x,y"`},
		"kept   as  it is", "v=0\n",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	checkRoundTrip(t, "invite", m)
	if m.Raw() != invite {
		t.Error("the raw bytes are not kept")
	}
}

// TestStrict: what must not be guessed is refused with the right status.
func TestStrict(t *testing.T) {
	change := func(old, with string) string {
		if !strings.Contains(invite, old) {
			t.Fatalf("the message has no %q", old)
		}
		return strings.Replace(invite, old, with, 1)
	}
	tests := map[string]struct {
		text   string
		status int
	}{
		"duplicate Call-ID":         {change("i: abc@host", "i: abc@host\r\nCall-ID: other"), 400},
		"CSeq method":               {change("INVITE\r\nRecord", "BYE\r\nRecord"), 400},
		"CSeq of 2**31":             {change("007", "2147483648"), 400},
		"two lengths that differ":   {change("l: 4", "l: 4\r\nContent-Length: 3"), 400},
		"length beyond the bytes":   {change("l: 4", "l: 5"), 400},
		"length is no number":       {change("l: 4", "l: +4"), 400},
		"Via port of 0":             {change("192.0.2.1:5060", "192.0.2.1:0"), 400},
		"Via port of 65536":         {change("192.0.2.1:5060", "192.0.2.1:65536"), 400},
		"no From":                   {change("f: ", "X: "), 400},
		"To without closing angle":  {change("<sip:201@example.com>\r\n", "<sip:201@example.com\r\n"), 400},
		"version":                   {change("SIP/2.0\r\n", "SIP/3.0\r\n"), 505},
		"scheme":                    {change("INVITE sip:201", "INVITE ftp:201"), 416},
		"Request-URI with a bad IP": {change("INVITE sip:201@example.com", "INVITE sip:201@[1::2::3]"), 400},
		"line without a colon":      {change("Max-Forwards: 70", "Max-Forwards 70"), 400},
		"Max-Forwards":              {change("Max-Forwards: 70", "Max-Forwards: -1"), 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := parse(t, test.text).Validate()
			bad := &InvalidError{}
			ok := errors.As(err, &bad)
			if !ok || bad.Status != test.status {
				t.Errorf("Validate says %v, want status %d", err, test.status)
			}
		})
	}
}

// TestZ05NothingBreaksOut: text of others, put anywhere into a message that is
// built here, makes no field and no line of its own.
func TestZ05NothingBreaksOut(t *testing.T) {
	evil := "x\r\nRoute: <sip:evil>\r\n\r\nINVITE\x00\x7f"
	req := NewRequest(INVITE, "sip:201@example.com"+evil)
	req.Add(Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
	req.Add(Subject, evil)
	req.AddOther("X-Any"+evil, evil)
	resp := &Message{Status: 200, Reason: evil}
	resp.Add(To, evil)
	for _, m := range []*Message{req, resp} {
		text := string(m.Bytes())
		if n := strings.Count(text, "\n"); n != len(m.Fields)+3 {
			t.Errorf("%d lines for %d fields:\n%s", n, len(m.Fields), text)
		}
		if strings.ContainsAny(text, "\x00\x7f") {
			t.Errorf("a control character got through:\n%q", text)
		}
	}
}

// TestZ06Escapes: an escaped text is one part of a URI, and comes back as it was.
func TestZ06Escapes(t *testing.T) {
	for _, text := range []string{"201", "+4930123", "*72#", "a b", "202;transport=tcp", "202?Replaces=x", `202>;x=<`, "a@b", "ü", "\x00\r\n", "50%", "sip:202", "/?&=;"} {
		u, err := ParseURI("sip:" + EscapeUser(text) + "@example.com")
		if err != nil {
			t.Errorf("user %q: %v", text, err)
			continue
		}
		if u.Params != "" || u.Headers != "" || u.Host != "example.com" || Unescape(u.User) != text {
			t.Errorf("user %q became %+v", text, u)
		}
		u, err = ParseURI("sip:202@example.com?X-ConfPin=" + EscapeHeader(text))
		if err != nil || Unescape(u.Headers) != "X-ConfPin="+text || strings.ContainsAny(EscapeHeader(text), "&=;\r\n<>\" ") {
			t.Errorf("header %q became %+v, %v", text, u, err)
		}
		if q := Quote(text); text != "\x00\r\n" && Unquote(q) != text {
			t.Errorf("Quote(%q) = %s comes back as %q", text, q, Unquote(q))
		}
	}
}

func TestURI(t *testing.T) {
	for text, want := range map[string]URI{
		"sip:201@example.com":                      {Scheme: "sip", User: "201", Host: "example.com"},
		"SIPS:a:b@[2001:db8::1]:5061;lr?X=1":       {Scheme: "sips", User: "a:b", Host: "[2001:db8::1]", Port: 5061, Params: ";lr", Headers: "X=1"},
		"sip:example.com;maddr=192.0.2.1":          {Scheme: "sip", Host: "example.com", Params: ";maddr=192.0.2.1"},
		"sip:user;par=u%40example.net@example.com": {Scheme: "sip", User: "user;par=u%40example.net", Host: "example.com"},
		"tel:+49-30;phone-context=x":               {Scheme: "tel", Opaque: "+49-30;phone-context=x"},
	} {
		got, err := ParseURI(text)
		if err != nil || got != want {
			t.Errorf("ParseURI(%q) = %+v, %v", text, got, err)
		}
		if !strings.EqualFold(got.String(), text) {
			t.Errorf("%q is written as %q", text, got.String())
		}
	}
	for _, text := range []string{
		"", "sip", "sip:", "sip:@example.com", "sip:a@", "sip:a@b@c", "sip:a@[::1", "sip:a@[x]", "sip:a@h:0", "sip:a@h:65536", "sip:a@h:",
		"sip:a b@h", "sip:a@h\r\n", "1sip:a@h", "sip:a@h:5060x", "sip:a@ex ample", "sip:a@[fe80::1%eth0]",
	} {
		if u, err := ParseURI(text); err == nil {
			t.Errorf("ParseURI(%q) = %+v, want an error", text, u)
		}
	}
}

func TestU02Received(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.9:6000")
	for text, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1":       "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1",
		"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1":       "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.9",
		"SIP/2.0/UDP pc.example.com;branch=z9hG4bK1":  "SIP/2.0/UDP pc.example.com;branch=z9hG4bK1;received=192.0.2.9",
		"SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bK1": "SIP/2.0/UDP 192.0.2.9;rport=6000;branch=z9hG4bK1;received=192.0.2.9",
	} {
		v, err := ParseVia(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Received(from).String(); got != want {
			t.Errorf("%s became %s", text, got)
		}
	}
}

func TestFrame(t *testing.T) {
	two := "\r\n\r\n" + invite + invite
	skip, n, err := Frame([]byte(two))
	if err != nil || skip != 4 || n != len(invite) {
		t.Fatalf("Frame = %d, %d, %v, want 4, %d", skip, n, err, len(invite))
	}
	for i := range len(invite) {
		if _, n, err := Frame([]byte(invite[:i])); n != 0 || err != nil {
			t.Fatalf("Frame of the first %d bytes = %d, %v", i, n, err)
		}
	}
	if _, _, err := Frame([]byte(strings.Replace(invite, "l: 4\r\n", "", 1))); err == nil {
		t.Error("a message without a length has a frame")
	}
}

func BenchmarkParse(b *testing.B) {
	data := []byte(invite)
	b.ReportAllocs()
	for b.Loop() {
		m, err := Parse(data)
		if err != nil || m.Validate() != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	data := []byte(invite)
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		m, err := Parse(data)
		if err != nil || m.Validate() != nil {
			b.Fatal(err)
		}
		out = NewResponse(m, 200, "", "tag").AppendTo(out[:0])
	}
}
