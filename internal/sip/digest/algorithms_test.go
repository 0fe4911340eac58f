package digest

import (
	"errors"
	"slices"
	"testing"

	"callcontroller/internal/secret"
)

func TestU16Algorithms(t *testing.T) {
	const (
		ha1MD5    = "5f4dcc3b5aa765d61d8327deb882cf99"
		ha1SHA256 = "5e884898da28047151d0e56f8dc6292773603d0d6aabbd62a11ef721d1542d8d"
	)
	alg := func(names ...string) (values []string) {
		for _, n := range names {
			values = append(values, challenge("px", "n", ", algorithm="+n))
		}
		return values
	}
	tests := []struct {
		name       string
		ha1        string
		challenges []string
		want       string
		digits     int
	}{
		{"topmost supported", "", alg("NEW-1", "SHA-256", "MD5"), "SHA-256", 64},
		{"order of the server counts", "", alg("MD5", "SHA-256"), "MD5", 32},
		{"SHA-512-256", "", alg("SHA-512-256", "MD5"), "SHA-512-256", 64},
		{"SHA-256-sess", "", alg("sha-256-sess", "MD5"), "sha-256-sess", 64},
		{"unknown and broken ones passed over", "", append([]string{"Basic x", `Digest realm="px`}, alg("SHA-512", "MD5-sess")...), "MD5-sess", 32},
		{"MD5 HA1", ha1MD5, alg("SHA-256", "SHA-512-256", "MD5"), "MD5", 32},
		{"SHA-256 HA1", ha1SHA256, alg("SHA-512-256", "MD5", "SHA-256"), "SHA-256", 64},
		{"auth-int only passed over", "", []string{
			`Digest realm="px", nonce="n", qop="auth-int", algorithm=SHA-256`, `Digest realm="px", nonce="n", qop="AUTH-INT,Auth", algorithm=MD5`,
		}, "MD5", 32},
		{"session without qop passed over", "", append([]string{`Digest realm="px", nonce="n", algorithm=MD5-sess`}, alg("MD5")...), "MD5", 32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cred := agent()
			if tt.ha1 != "" {
				cred.Password, cred.HA1 = secret.Text{}, secret.New(tt.ha1)
			}
			got := mustRetry(t, NewCache(0).NewAttempt(cred, host), 407, "INVITE", tt.challenges...)
			if len(got) != 1 {
				t.Fatalf("%d fields, want one for the realm", len(got))
			}
			params := readAnswer(t, got[0])
			if params["algorithm"] != tt.want || len(params["response"]) != tt.digits {
				t.Errorf("algorithm %s, response %s, want %s with %d digits", params["algorithm"], params["response"], tt.want, tt.digits)
			}
			if tt.ha1 == "" && params["response"] != expected("INVITE", params) {
				t.Errorf("response %s, want %s", params["response"], expected("INVITE", params))
			}
		})
	}
}

func TestU16NothingUsable(t *testing.T) {
	tests := map[string][]string{
		"no challenge at all": nil,
		"unknown algorithm":   {challenge("px", "n", ", algorithm=SHA-512")},
		"auth-int only":       {`Digest realm="px", nonce="n", qop="auth-int"`},
		"other scheme":        {`Basic realm="px"`},
		"broken":              {`Digest realm="px`},
		"only after too many": append(slices.Repeat([]string{"Basic x"}, maxChallenges), challenge("px", "n", "")),
	}
	for name, values := range tests {
		t.Run(name, func(t *testing.T) {
			fields, err := NewCache(0).NewAttempt(agent(), host).Retry(407, values, "INVITE", uri)
			if !errors.Is(err, ErrNoUsableChallenge) || fields != nil {
				t.Errorf("got %v, %v, want ErrNoUsableChallenge", fields, err)
			}
		})
	}
}

// A session key is made from the first cnonce; later requests must not change it.
func TestU16SessionKeepsItsCnonce(t *testing.T) {
	c := NewCache(0)
	a := c.NewAttempt(agent(), host)
	one := readAnswer(t, mustRetry(t, a, 407, "INVITE", challenge("px", "n", ", algorithm=MD5-sess"))[0])
	next := c.NewAttempt(agent(), host).Preemptive("REFER", uri)
	wantOutline(t, "REFER", next, "Proxy-Authorization px n 00000002")
	if two := readAnswer(t, next[0]); two["cnonce"] != one["cnonce"] {
		t.Errorf("cnonce %s, then %s", one["cnonce"], two["cnonce"])
	}
}
