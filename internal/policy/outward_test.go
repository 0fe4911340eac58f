package policy_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"callcontroller/internal/policy"
)

// Row Z07 for HTTP: what is not public is not reached, however it is written.
func TestZ07OutwardAddresses(t *testing.T) {
	for _, tt := range []struct {
		public bool
		list   string
	}{
		{true, "8.8.8.8 1.1.1.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 198.17.0.1 198.20.0.1 223.255.255.255 " +
			"2606:4700:4700::1111 2a00:1450::1 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::8.8.8.8"},
		{false, "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 " +
			"192.168.1.1 198.18.0.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 " +
			":: ::1 ::10.0.0.1 fc00::1 fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 2001::1 2002:0a00:0001::1 2001:db8::1 100::1 " +
			"::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1"},
	} {
		for _, text := range strings.Fields(tt.list) {
			a := netip.MustParseAddr(text)
			if err := new(policy.Outward).CheckAddr(a); (err == nil) != tt.public {
				t.Errorf("%s: %v", text, err)
			}
			if err := (&policy.Outward{Private: true}).CheckAddr(a); err != nil {
				t.Errorf("%s, all allowed: %v", text, err)
			}
		}
	}
}

func TestZ07OutwardNetworks(t *testing.T) {
	o := policy.Outward{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fe80::/10")}}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "fe80::1%eth0": true, "8.8.8.8": true,
		"10.2.0.1": false, "127.0.0.1": false, "fd00::1": false,
	} {
		if err := o.CheckAddr(netip.MustParseAddr(text)); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestZ07OutwardURLs(t *testing.T) {
	listed := policy.Outward{Hosts: []string{"Hooks.example.com", "crm.example.com:8443", "[2606:4700::1]"}, AllowHTTP: true}
	for _, tt := range []struct {
		rules policy.Outward
		url   string
		want  string // part of the error
	}{
		{policy.Outward{}, "https://hooks.example.com/x?y=1", ""},
		{policy.Outward{}, "https://8.8.8.8", ""},
		{policy.Outward{}, "http://hooks.example.com/", "webhooks.allow_http"},
		{policy.Outward{}, "https://10.0.0.1/", "10.0.0.1 is no public address"},
		{policy.Outward{}, "https://[::ffff:10.0.0.1]/", "10.0.0.1 is no public address"},
		{policy.Outward{}, "https://u:p@hooks.example.com/", "no user"},
		{policy.Outward{}, "https://hooks.example.com/#x", "no #"},
		{policy.Outward{}, "https://hooks.example.com:0/", "port"},
		{policy.Outward{}, "https://hooks.example.com:65536/", "port"},
		{policy.Outward{}, "ftp://hooks.example.com/", "must be https://"},
		{policy.Outward{}, "file:///etc/passwd", "must be https://"},
		{policy.Outward{}, "https:hooks.example.com", "must be https://"},
		{policy.Outward{}, "https:///path", "must be https://"},
		{policy.Outward{}, "hooks.example.com", "must be https://"},
		{listed, "https://HOOKS.example.com/", ""},
		{listed, "https://hooks.example.com:443/", ""},
		{listed, "http://hooks.example.com/", ""},
		{listed, "https://crm.example.com:8443/", ""},
		{listed, "https://[2606:4700:0::1]/", ""},
		{listed, "https://hooks.example.com:22/", "webhooks.hosts"},
		{listed, "https://crm.example.com/", "webhooks.hosts"},
		{listed, "https://hooks.example.com.evil.net/", "webhooks.hosts"},
		{listed, "https://evil.net/hooks.example.com", "webhooks.hosts"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		err = tt.rules.CheckURL(u)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.url, err, tt.want)
		}
	}
}
