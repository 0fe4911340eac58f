package digest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

func TestParseChallenge(t *testing.T) {
	tests := []struct {
		name, value string
		want        Challenge
	}{
		{
			"RFC 3261 section 20.27",
			`Digest realm="atlanta.com", domain="sip:ss1.carrier.com", qop="auth", nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=FALSE, algorithm=MD5`,
			Challenge{Realm: "atlanta.com", Nonce: "f84f1cec41e6cbe5aea9c8e88d359", HasOpaque: true, Algorithm: "MD5", QOP: "auth"},
		},
		{
			"any case, odd spacing, folded", "dIgEsT \r\n\tREALM = \"a\"\t,Nonce\r\n = \"b\" , STALE=TrUe,qop=\"auth-int , auth\"  ",
			Challenge{Realm: "a", Nonce: "b", Stale: true, QOP: "auth-int , auth"},
		},
		{
			"quotes left out and put in", `Digest realm=a.example, nonce=abc+/=, qop=auth, algorithm="SHA-256", stale="true"`,
			Challenge{Realm: "a.example", Nonce: "abc+/=", QOP: "auth", Algorithm: "SHA-256", Stale: true},
		},
		{
			"escapes and commas in quotes", `Digest realm="a \"b\", \\c", nonce="x=1,y=2"`,
			Challenge{Realm: `a "b", \c`, Nonce: "x=1,y=2"},
		},
		{
			"unknown parameters and empty elements", `Digest , realm="a",, foo="b,c=d" ,nonce="n", bar=1,`,
			Challenge{Realm: "a", Nonce: "n"},
		},
		{"not ASCII", "Digest realm=\"b\xc3\xbcro\", nonce=\"\xff\"", Challenge{Realm: "b\xc3\xbcro", Nonce: "\xff"}},
		{"realm and nonce empty", `Digest realm="",nonce=""`, Challenge{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseChallenge(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseChallengeRefuses(t *testing.T) {
	tests := []struct{ name, value, wantErr string }{
		{"nothing", "", "scheme"},
		{"Basic", `Basic realm="a"`, "scheme"},
		{"scheme alone", "Digest", `"realm" is missing`},
		{"no nonce", `Digest realm="a"`, `"nonce" is missing`},
		{"no realm", `Digest nonce="a"`, `"realm" is missing`},
		{"realm twice", `Digest realm="a", nonce="n", Realm="b"`, `"Realm" is there twice`},
		{"stale twice", `Digest realm="a", nonce="n", stale=false, stale=true`, "twice"},
		{"two challenges in one value", `Digest realm="a", nonce="n", Digest realm="b", nonce="n"`, `"Digest" has no value`},
		{"quote does not end", `Digest realm="a, nonce="n"`, "comma expected"},
		{"escape at the end", `Digest realm="a", nonce="n\`, "does not end"},
		{"comma left out", `Digest realm="a" nonce="n"`, "comma expected"},
		{"no value", `Digest realm="a", nonce=`, "empty"},
		{"no name", `Digest ="a"`, "name expected"},
		{"line end in quotes", "Digest realm=\"a\r\nX: y\", nonce=\"n\"", "control character"},
		{"folded line in quotes", "Digest realm=\"a\r\n b\", nonce=\"n\"", "control character"},
		{"escaped line end", "Digest realm=\"a\", nonce=\"n\\\r\\\nX: y\"", "control character"},
		{"NUL", "Digest realm=\"a\", nonce=\"\x00\"", "control character"},
		{"DEL in a token", "Digest realm=\"a\", nonce=a\x7f", "control character"},
		{"too long", `Digest realm="a", nonce="` + strings.Repeat("n", maxChallenge) + `"`, "more than 2048"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseChallenge(tt.value)
			if err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %q, want %q in it", err, tt.wantErr)
			}
			if len(err.Error()) > 200 {
				t.Errorf("error has %d octets: foreign text must be cut", len(err.Error()))
			}
		})
	}
	if _, err := ParseChallenge("NTLM abc"); !errors.Is(err, ErrUnknownScheme) {
		t.Errorf("NTLM: %v, want ErrUnknownScheme", err)
	}
}

// The laws: a challenge that is written parses to itself; credentials that answer it parse to the parameters of the challenge, and
// nothing in it gets out of its place.
func FuzzParseChallenge(f *testing.F) {
	for _, seed := range []string{
		`Digest realm="atlanta.com", domain="sip:ss1.carrier.com", qop="auth", nonce="f84f1cec", opaque="", stale=FALSE, algorithm=MD5`,
		`Digest realm="a \"b\", \\c", nonce="x=1,y=2", qop="auth,auth-int", algorithm=SHA-256-sess, opaque="\""`,
		"digest\trealm=a\r\n ,nonce=\"\\n\", stale=true",
		"Digest realm=\"a\r\nX: y\", nonce=\"n\"",
		`Digest realm="a", nonce="n", qop="auth-int"`, `Basic realm="x"`, `Digest realm="\`, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseChallenge(value)
		if err != nil {
			return
		}
		again, err := ParseChallenge(c.String())
		if len(c.String()) <= maxChallenge && (err != nil || again != c) {
			t.Fatalf("%+v was written as %q and read as %+v, %v", c, c.String(), again, err)
		}
		a := NewCache(1).NewAttempt(Credentials{Username: `o"\o`, Password: secret.New("p")}, "h")
		fields, err := a.Retry(407, []string{value}, "INVITE", `sip:"\@h`)
		if err != nil {
			return
		}
		got := readAnswer(t, fields[0])
		want := map[string]string{"username": `o"\o`, "uri": `sip:"\@h`, "realm": c.Realm, "nonce": c.Nonce, "opaque": c.Opaque, "algorithm": c.Algorithm}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s = %q, want %q in %q", name, got[name], value, fields[0].Value)
			}
		}
	})
}

// readAnswer gives the parameters of a credential field by name.
func readAnswer(t *testing.T, f Field) map[string]string {
	t.Helper()
	if rfc7616.HasControl(f.Value) {
		t.Fatalf("%q has a control character", f.Value)
	}
	rest, isDigest := strings.CutPrefix(f.Value, "Digest ")
	if !isDigest {
		t.Fatalf("%q is not Digest", f.Value)
	}
	found := make(map[string]string)
	p := rfc7616.NewParams(rest)
	for {
		name, value, err := p.Next()
		if err != nil {
			t.Fatalf("%q: %v", f.Value, err)
		}
		if name == "" {
			return found
		}
		if _, twice := found[name]; twice {
			t.Fatalf("%q has %s twice", f.Value, name)
		}
		found[name] = value
	}
}
