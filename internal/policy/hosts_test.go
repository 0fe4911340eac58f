package policy_test

import (
	"testing"

	"callcontroller/internal/policy"
)

func TestZ07Hosts(t *testing.T) {
	h := policy.NewHosts("Example.com", []string{"pbx.example.net:5080", "192.0.2.5", "[2001:db8::1]"})
	for _, test := range []struct {
		host string
		port int
		want bool
	}{
		{"example.com", 0, true},
		{"EXAMPLE.COM", 5060, true},
		{"example.com", 22, false},
		{"sub.example.com", 0, false},
		{"example.com.evil.net", 0, false},
		{"pbx.example.net", 5080, true},
		{"pbx.example.net", 0, false},
		{"192.0.2.5", 0, true},
		{"192.0.2.5", 5061, false},
		{"[2001:DB8:0::1]", 0, true},
		{"[::ffff:192.0.2.5]", 0, true},
		{"127.0.0.1", 0, false},
		{"localhost", 0, false},
		{"", 0, false},
	} {
		if got := h.Allow(test.host, test.port); got != test.want {
			t.Errorf("Allow(%q, %d) = %t, want %t", test.host, test.port, got, test.want)
		}
	}
}
