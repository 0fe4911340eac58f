package sip

import (
	"net/netip"
	"testing"
)

// TestTags: the quick way to a tag gives what the whole address gives.
func TestTags(t *testing.T) {
	for _, value := range []string{
		`<sip:a@b>;tag=1`, `"x;tag=2 <sip:c@d>" <sip:a@b;tag=3?tag=4>;x=1;TAG=5`, `sip:a@b;tag=6`, `sip:a;tag=7@b;tag=8`, `sip:b;tag=9`,
		`<sip:a@b>`, `sip:a@b`, `<sip:a@b>;x="tag=10;tag=11";tag=12`, `<sip:a@b> ; tag = 13`, `<sip:a@b>;tag`, `tel:1;tag=14`, ``,
		`<sip:a@b`, `<sip:a@b>tag=15`, `"\"<x>;tag=16" <sip:a@b>;tag=17`, `<sip:a@b>;tag="18`,
		`<sip:a@b>;x="a\\";tag=19`, `<sip:a@b>;x=\";tag=20`, `<sip:a@b>;x=<;tag=21`,
	} {
		want := ""
		if a, err := ParseNameAddr(value); err == nil {
			want = a.Tag()
		}
		if got := tagOf(value); got != want {
			t.Errorf("tag of %q is %q, want %q", value, got, want)
		}
	}
}

// TestParamsQuotes: a parameter whose end cannot be told would hide the tag that is put
// behind it; one that ends is taken.
func TestParamsQuotes(t *testing.T) {
	for value, want := range map[string]bool{
		`;x="a\\"`: true, `;x="a\\";y="\""`: true, `;x="<"`: true, `;x=\`: true,
		`;x=\"`: false, `;x="a\"`: false, `;x="\`: false, `;x=<`: false, ";x=\r": false, ";x=\"\x00\"": false, ";x=\t1": true, `;x="";y="`: false,
	} {
		if _, err := ParseNameAddr("<sip:a@b>" + value); (err == nil) != want {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// TestReceived: RFC 3261 section 18.2.1 and RFC 3581 section 4.
func TestReceived(t *testing.T) {
	source := netip.MustParseAddrPort("192.0.2.7:5062")
	for in, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.7;branch=z9":                            "SIP/2.0/UDP 192.0.2.7;branch=z9",
		"SIP/2.0/UDP 192.0.2.7;rport;branch=z9":                      "SIP/2.0/UDP 192.0.2.7;rport=5062;branch=z9;received=192.0.2.7",
		"SIP/2.0/UDP phone.example;branch=z9":                        "SIP/2.0/UDP phone.example;branch=z9;received=192.0.2.7",
		"SIP/2.0/UDP 10.0.0.1;received=1.2.3.4;rport=1;x;br=\"a;b\"": "SIP/2.0/UDP 10.0.0.1;rport=1;x;br=\"a;b\";received=192.0.2.7",
		"SIP/2.0/UDP 10.0.0.1":                                       "SIP/2.0/UDP 10.0.0.1;received=192.0.2.7",
	} {
		v, err := ParseVia(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := v.Received(source).String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}
