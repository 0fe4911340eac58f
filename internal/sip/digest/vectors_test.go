package digest

import (
	"testing"

	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// example is one worked example of a standard.
type example struct {
	name, algorithm, realm, nonce, cnonce, method, uri string
	credentials                                        Credentials
	want                                               string
}

func examples() []example {
	const (
		nonce2617 = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
		nonce7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
		cnonce    = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	)
	bob := Credentials{Username: "bob", Password: secret.New("zanzibar")}
	mufasa := Credentials{Username: "Mufasa", Password: secret.New("Circle of Life")}
	return []example{
		{
			"RFC 2617 section 3.5", "", "testrealm@host.com", nonce2617, "0a4f113b", "GET", "/dir/index.html",
			Credentials{Username: "Mufasa", Password: secret.New("Circle Of Life")},
			"6629fae49393a05397450978507c4ef1",
		},
		{
			"RFC 2617 section 3.5 with HA1", "MD5", "testrealm@host.com", nonce2617, "0a4f113b", "GET", "/dir/index.html",
			Credentials{Username: "Mufasa", HA1: secret.New("939E7578ED9E3C518A452ACEE763BCE9")},
			"6629fae49393a05397450978507c4ef1",
		},
		{
			"RFC 2069 section 2.4, as corrected by its errata", "", "testrealm@host.com", nonce2617, "", "GET", "/dir/index.html",
			Credentials{Username: "Mufasa", Password: secret.New("CircleOfLife")},
			"1949323746fe6a43ef61f9606e7febea",
		},
		{
			"RFC 7616 section 3.9.1, MD5", "MD5", "http-auth@example.org", nonce7616, cnonce, "GET", "/dir/index.html",
			mufasa, "8ca523f5e9506fed4657c9700eebdbec",
		},
		{
			"RFC 7616 section 3.9.1, SHA-256", "sha-256", "http-auth@example.org", nonce7616, cnonce, "GET", "/dir/index.html",
			mufasa, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
		},
		{
			"RFC 7616 section 3.9.2, errata 4897", "SHA-512-256", "api@example.org", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
			"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", "GET", "/doe.json",
			Credentials{Username: "Jäsøn Doe", Password: secret.New("Secret, or not?")},
			"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
		},
		{
			"draft-smith-sipping-auth-examples-01 section 3.1", "", "biloxi.com", nonce2617, "", "INVITE", "sip:bob@biloxi.com",
			bob, "bf57e4e0d0bffc0fbaedce64d59add5e",
		},
		{
			"draft-smith-sipping-auth-examples-01 section 3.3", "MD5", "biloxi.com", nonce2617, "0a4f113b", "INVITE", "sip:bob@biloxi.com",
			bob, "89eb0059246c02b2f6ee02c7961d5ea3",
		},
		{
			"draft-smith-sipping-auth-examples-01 section 3.4", "MD5-SESS", "biloxi.com", nonce2617, "0a4f113b", "INVITE", "sip:bob@biloxi.com",
			bob, "e4e4ea61d186d07a92c9e1f6919902e9",
		},
	}
}

// Worked examples of the RFCs, computed with their cnonce.
func TestResponseOfPublishedExamples(t *testing.T) {
	for _, tt := range examples() {
		t.Run(tt.name, func(t *testing.T) {
			alg, known := rfc7616.FindAlgorithm(tt.algorithm)
			if !known {
				t.Fatalf("algorithm %q is unknown", tt.algorithm)
			}
			p := rfc7616.Proof{
				Algorithm: alg, Auth: tt.cnonce != "", HA1: tt.credentials.ha1In(tt.realm, alg.Hash), Nonce: tt.nonce, NC: "00000001", CNonce: tt.cnonce,
				Method: tt.method, URI: tt.uri,
			}
			if got := string(p.AppendResponse(nil)); got != tt.want {
				t.Errorf("response = %s, want %s", got, tt.want)
			}
		})
	}
}
