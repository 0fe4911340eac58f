package rfc7616_test

import (
	"testing"

	"callcontroller/internal/rfc7616"
)

func TestAlgorithmTokens(t *testing.T) {
	tests := []struct {
		token string
		want  rfc7616.Algorithm
		known bool
	}{
		{"", rfc7616.Algorithm{rfc7616.MD5, false}, true},
		{"md5", rfc7616.Algorithm{rfc7616.MD5, false}, true},
		{"MD5-sess", rfc7616.Algorithm{rfc7616.MD5, true}, true},
		{"SHA-256", rfc7616.Algorithm{rfc7616.SHA256, false}, true},
		{"Sha-256-Sess", rfc7616.Algorithm{rfc7616.SHA256, true}, true},
		{"SHA-512-256", rfc7616.Algorithm{rfc7616.SHA512256, false}, true},
		{"SHA-512-256-SESS", rfc7616.Algorithm{rfc7616.SHA512256, true}, true},
		{"SHA-512", rfc7616.Algorithm{}, false},
		{"AKAv1-MD5", rfc7616.Algorithm{}, false},
		{"-sess", rfc7616.Algorithm{}, false},
		{"MD5-sess-sess", rfc7616.Algorithm{}, false},
	}
	for _, tt := range tests {
		if got, known := rfc7616.FindAlgorithm(tt.token); got != tt.want || known != tt.known {
			t.Errorf("rfc7616.FindAlgorithm(%q) = %+v, %v, want %+v, %v", tt.token, got, known, tt.want, tt.known)
		}
	}
}
