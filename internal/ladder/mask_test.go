package ladder_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callcontroller/internal/ladder"
	"callcontroller/internal/sip"
)

// shownOf keeps one message as a received one and gives what is shown of it; "" for one
// that is no SIP.
func shownOf(tb testing.TB, text string) string {
	tb.Helper()
	m, ok := parse(text)
	if !ok {
		return ""
	}
	l := ladder.New(0)
	l.Leg("A", "caller", m.Get(sip.CallID))
	l.Received(peer, m)
	list := l.Messages("A")
	if len(list) != 1 {
		tb.Fatalf("%d messages of\n%s", len(list), text)
	}
	if line, _, _ := strings.Cut(list[0].Text, "\r\n"); line != list[0].StartLine {
		tb.Errorf("the start line is %q, the text begins with %q", list[0].StartLine, line)
	}
	return list[0].Text
}

const head = "REFER sip:201@example.com SIP/2.0\r\nCall-ID: a-1\r\n"

// TestZ20WhatIsShown: of each message all but its secrets.
func TestZ20WhatIsShown(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{
			"digest", "Authorization: Digest username=\"201\", realm=\"a \\\"b\\\", c\", nonce=\"n\", uri=\"sip:example.com\", response=\"5ec2e7\", cnonce=\"c\", qop=auth, nc=00000001\r\n\r\n",
			"Authorization: Digest username=\"201\", realm=\"a \\\"b\\\", c\", nonce=\"n\", uri=\"sip:example.com\", response=***, cnonce=***, qop=\"auth\", nc=\"00000001\"\r\n\r\n",
		},
		{"folded", "Proxy-Authorization: Digest username=\"201\",\r\n response=\"5ec2e7\"\r\n\r\n", "Proxy-Authorization: Digest username=\"201\", response=***\r\n\r\n"},
		{"unreadable digest", "Authorization: Digest username=\"201\", realm=\"5ec2e7\r\n\r\n", "Authorization: Digest username=\"201\", ***\r\n\r\n"},
		{"Basic", "authorization: Basic NWVjMmU3\r\n\r\n", "authorization: Basic ***\r\n\r\n"},
		{"unknown scheme", "Authorization: 5ec2e7 5ec2e7\r\n\r\n", "Authorization: ***\r\n\r\n"},
		{"proof", "Authentication-Info: qop=auth, rspauth=\"5ec2e7\", nextnonce=\"n\"\r\n\r\n", "Authentication-Info: qop=\"auth\", rspauth=***, nextnonce=\"n\"\r\n\r\n"},
		{"challenge", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n"},
		{"PIN", "X-CONFPIN: 5327\r\n\r\n", "X-CONFPIN: ***\r\n\r\n"},
		{"PIN in a URI", "Refer-To: <sip:202@example.com?Replaces=a%3Bto-tag%3Db&X-C%6FnfPin=5327>\r\n\r\n", "Refer-To: <sip:202@example.com?Replaces=a%3Bto-tag%3Db&X-C%6FnfPin=***>\r\n\r\n"},
		{"password in a URI", "Contact: <sip:201:5ec2e7@192.0.2.1:5060>, <sips:192.0.2.1:5061>\r\n\r\n", "Contact: <sip:201:***@192.0.2.1:5060>, <sips:192.0.2.1:5061>\r\n\r\n"},
		{"password in a URL", "Alert-Info: <https://me:5ec2e7@example.com/ring>\r\n\r\n", "Alert-Info: <https://me:***@example.com/ring>\r\n\r\n"},
		{"a line within a line", "Subject: x\rAuthorization: Digest response=5ec2e7\r\n\r\n", "Subject: ***\r\n\r\n"},
		{
			"SDP", "Content-Type: application/sdp\r\n\r\nv=0\r\nk=clear:5ec2e7\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:5ec2e7|2^20\r\na=acap:1 crypto:5ec2e7\r\na=key-mgmt:mikey 5ec2e7\r\n" +
				"a=ice-ufrag:u\r\na=ice-pwd:5ec2e7\r\na=fingerprint:sha-256 AA\na=sendrecv\r\n",
			"Content-Type: application/sdp\r\n\r\nv=0\r\nk=***\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\na=acap:1 crypto:***\r\na=key-mgmt:***\r\n" +
				"a=ice-ufrag:u\r\na=ice-pwd:***\r\na=fingerprint:sha-256 AA\r\na=sendrecv\r\n",
		},
		{"packed SDP", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n\r\n5ec2e7", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n\r\n***"},
		{
			"fragment", "Content-Type: message/sipfrag;version=2.0\r\n\r\nSIP/2.0 200 OK\r\nTo: <sip:202@example.com>\r\nAuthorization: Basic\r\n 5ec2e7\r\n\r\nk=5ec2e7",
			"Content-Type: message/sipfrag;version=2.0\r\n\r\nSIP/2.0 200 OK\r\nTo: <sip:202@example.com>\r\nAuthorization: Basic ***\r\n***\r\n\r\n***",
		},
		{"digits", "Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\n", "Content-Type: application/dtmf-relay\r\n\r\n***"},
		{"behind the body", "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=05ec2e7", "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"},
		{"orders to a terminal", "Subject: a\x1b[2Jb\x00\xff\u202ec\r\n\r\n", "Subject: a [2Jb \uFFFD c\r\n\r\n"},
	} {
		if diff := cmp.Diff(head+tt.want, shownOf(t, head+tt.text)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// hiding are the ways in which a secret may stand in a message.
var hiding = []func(secret string) (fields, body string){
	func(s string) (string, string) {
		return "Authorization: Digest username=\"a\", response=\"" + s + "\"", ""
	},
	func(s string) (string, string) {
		return "Proxy-Authorization: digest cnonce=" + s + " , realm=\"r\"", ""
	},
	func(s string) (string, string) { return "Authorization: Digest realm=\"r\", x=\"" + s, "" },
	func(s string) (string, string) { return "Authorization : Basic " + s, "" },
	func(s string) (string, string) { return "AUTHORIZATION:\r\n\t" + s, "" },
	func(s string) (string, string) { return "Proxy-Authentication-Info: rspauth=\"" + s + "\"", "" },
	func(s string) (string, string) { return "X-ConfPin: " + s, "" },
	func(s string) (string, string) { return "r: \"?\" <sip:a@b?x=y&x-confpin=" + s + ">;p=1", "" },
	func(s string) (string, string) { return "m: <sip:a:" + s + "@b;transport=udp>", "" },
	func(s string) (string, string) { return "c: application/sdp", "a=crypto:1 S inline:" + s + "\r\n" },
	func(s string) (string, string) { return "c: APPLICATION/SDP", "v=0\ra=key-mgmt:mikey " + s },
	func(s string) (string, string) { return "c: application/sdp;x=y", " K=base64:" + s + "\n" },
	func(s string) (string, string) { return "Content-Type: message/sipfrag", "Authorization: Bearer " + s },
	func(s string) (string, string) { return "Content-Type: application/dtmf", s },
	func(s string) (string, string) { return "Content-Type: text/plain", s },
	func(s string) (string, string) { return "Subject: no type", s },
}

// TestZ20LawOfSecrets: no secret that was put into a message is in what is shown of it,
// whatever else is in it.
func TestZ20LawOfSecrets(t *testing.T) {
	noise := rapid.SampledFrom([]string{
		"Subject: a", "Via: SIP/2.0/UDP h", "Authorization: Digest realm=\"x\"", "Contact: <sip:a@b?c=d>", "no field", "To: \"open", "X: ?a=b", " folded", "Supported: ,;\"",
	})
	secrets := rapid.StringMatching(`[A-Za-z0-9+/]{8,40}={0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		secret := secrets.Filter(func(s string) bool { return !strings.Contains(head, s) }).Draw(t, "secret")
		fields, body := rapid.SampledFrom(hiding).Draw(t, "hidden")(secret)
		var b strings.Builder
		b.WriteString(head)
		for _, line := range rapid.SliceOfN(noise, 0, 4).Draw(t, "before") {
			b.WriteString(line + rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "end"))
		}
		b.WriteString(fields + "\r\n")
		for _, line := range rapid.SliceOfN(noise, 0, 4).Draw(t, "behind") {
			b.WriteString(line + "\r\n")
		}
		b.WriteString("\r\n" + body)
		m, ok := parse(b.String())
		if !ok {
			return
		}
		l := ladder.New(0)
		l.Leg("A", "caller", m.Get(sip.CallID))
		l.Received(peer, m)
		got := l.Messages("A")
		if len(got) != 1 || strings.Contains(got[0].Text+got[0].StartLine, secret) {
			t.Fatalf("%q is in\n%s", secret, got)
		}
	})
}

// FuzzShown: nothing that comes makes it fail, and nothing that a terminal takes for an
// order goes out.
func FuzzShown(f *testing.F) {
	for _, hide := range hiding {
		fields, body := hide("5ec2e7")
		f.Add(head + fields + "\r\n\r\n" + body)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := strings.ReplaceAll(shownOf(t, head+text), "\r\n", "")
		if strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q", shown)
		}
	})
}
