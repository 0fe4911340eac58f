package sip

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		if m.Validate() != nil {
			return
		}
		checkRoundTrip(t, "fuzz", m)
		if m.IsRequest() {
			resp := NewResponse(m, 200, "", "local")
			checkRoundTrip(t, "response", resp)
			if err := parse(t, resp.String()).Validate(); err != nil {
				t.Errorf("the answer to a valid request is not valid: %v\n%s", err, resp)
			}
		}
	})
}

// FuzzURI: a URI that is accepted is written as one that means the same, and stands
// in angle brackets without breaking out.
func FuzzURI(f *testing.F) {
	for _, s := range []string{"sip:201@example.com", "sip:a;b@[::1]:5060;lr?X=1", "tel:1", "sip:%00@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
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

// FuzzNameAddr: what is accepted is written so that it reads the same.
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
	})
}

func FuzzVia(f *testing.F) {
	for _, s := range []string{"SIP/2.0/UDP h:1;branch=z9hG4bK", "SIP / 2.0 / UDP [::1] : 5060 ;rport"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVia(s)
		if err != nil {
			return
		}
		again, err := ParseVia(v.String())
		if err != nil || again != v {
			t.Errorf("%q: %+v is written as %q and read as %+v, %v", s, v, v.String(), again, err)
		}
	})
}
