package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
)

// All mistakes are told at once, each with its place, and no secret among them.
func TestFaultsGolden(t *testing.T) {
	environ := []string{"CALLCONTROLLER_SIP_DOMIAN=x", "CALLCONTROLLER_LIMITS_ROWS=many", "CALLCONTROLLER_ELSE=geheim", "CALLCONTROLLER_SIP_ACCOUNT_PASSWORD=***"}
	overrides := map[string]string{"http.listn": "x", "sip.account.password": "geheim", "media.port": "-1", "users": "geheim"}
	_, err := config.Load("testdata/broken.yaml", environ, overrides)
	if err == nil {
		t.Fatal("no fault at all")
	}
	want, readErr := os.ReadFile("testdata/broken.txt")
	if readErr != nil {
		t.Fatal(readErr)
	}
	if got := err.Error() + "\n"; got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "Z2VoZ") {
		t.Error("a secret is printed")
	}
}

func TestSingleFaults(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ": sip.domain: is missing: the host that completes 201 to 201@HOST"},
		{"sip: [", ":1: not YAML: did not find expected node content"},
		{"sip: {domain: 'a b'}", `:1:15: sip.domain "a b": must be a host name or IP address, IPv6 in brackets, and a port from 1 to 65535 if any`},
		{"sip: {domain: 'a:5060'}", `:1:15: sip.domain "a:5060": must be a host without a port`},
		{"sip: {domain: a..b}", `:1:15: sip.domain "a..b": is no host name: a part of it is empty, longer than 63 characters, or starts or ends with a hyphen`},
		{"sip: {domain: 1.2.3.400}", `:1:15: sip.domain "1.2.3.400": is neither a host name nor an IPv4 address`},
		{"sip: {domain: a, proxy: 'sip:p;transport=ws'}", `:1:25: sip.proxy "sip:p;transport=ws": has transport=ws; it must be udp or tcp`},
		{"sip: {domain: a, proxy: 'sip:u:geheim@p'}", `:1:25: sip.proxy "sip:***@p": must have neither a user nor headers`},
		{"sip: {domain: a, proxy: 'sip:p;transport=tcp', listen: ['udp://[::]:5060']}", `:1:25: sip.proxy "sip:p;transport=tcp": wants tcp, but sip.listen has no tcp:// address`},
		{"sip: {domain: a, account: {username: u}}", ": sip.account.password: is missing beside sip.account.username"},
		{"sip: {domain: a, account: {password: geheim}}", ": sip.account.username: is missing beside sip.account.password"},
		{"sip: {domain: a, listen: []}", ":1:26: sip.listen: must have at least one address"},
		{"sip: {domain: a, listen: ['udp://h:1', 'tcp://h:1', 'udp://h:1']}", `:1:53: sip.listen "udp://h:1": uses an address and port that stand in the list before`},
		{"sip: {domain: a}\nhttp: {tls: {key: k}}", ": http.tls.cert: is missing beside http.tls.key"},
		{"sip: {domain: a}\nhttp: {listen: ['http://[::]:80'], digest: []}", `:2:17: http.listen "http://[::]:80": is plain HTTP that others can reach, where no password is taken: ` +
			"use https://, or 127.0.0.1, or offer Digest in http.digest, or name the networks that need no password in http.trusted"},
		{"sip: {domain: a}\nhttp: {digest: [SHA-256, SHA-512-256]}", `:2:26: http.digest "SHA-512-256": must be SHA-256 or MD5`},
		{"sip: {domain: a}\nhttp: {digest: [MD5, MD5]}", `:2:22: http.digest "MD5": stands in the list before`},
		{"sip: {domain: a}\nhttp: {login_failures: -1}", `:2:24: http.login_failures "-1": must be a whole number from 0 to 1000000`},
		{"sip: {domain: a}\nusers: {file: missing.yaml}", `:2:15: users.file "DIR/missing.yaml": open DIR/missing.yaml: no such file or directory`},
		{"sip: {domain: a}\nsip.sipx: true\nsip.domain: b", ":3:1: sip.domain: stands here a second time"},
		{"sip: {domain: a}\nusers: []\nusers.file: f", ":3:1: users.file: stands here a second time"},
		{"sip: {domain: a}\nusers.file: \"\"\nusers: []", ":3:1: users: stands here a second time"},
		{"sip: {domain: a}\nwebhooks: {endpoints: [{name: crm, url: 'https://10.0.0.1/', secret: whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltMDE=}]}", `:2:41: webhooks.endpoints[0].url "https://10.0.0.1/": 10.0.0.1 is no public address, and in none of webhooks.networks`},
		{"sip: {domain: a}\nwebhooks: {endpoints: [{name: crm, url: 'https://h/', secret: whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltMDE=}]}\njournal: {enabled: false}", `:2:12: webhooks.endpoints: are sent from the journal, which journal.enabled turns off`},
		{"sip: {domain: a}\nusers: 5", `:2:8: users: must be a mapping: lines of the form "name: value"`},
	} {
		c, err := load(t, tt.text, nil, nil)
		if err == nil {
			t.Errorf("%s: no fault: %+v", tt.text, c)
			continue
		}
		var faults config.Faults
		if faults, _ = err.(config.Faults); len(faults) != 1 { //nolint:errorlint // Load returns Faults itself
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		name := faults[0].Place.Name
		want := name + strings.ReplaceAll(tt.want, "DIR", filepath.Dir(name))
		if err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", tt.text, err, want)
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	_, err := config.Load("testdata/none.yaml", []string{"CALLCONTROLLER_MEDIA_PORT=x"}, nil)
	want := `testdata/none.yaml: open testdata/none.yaml: no such file or directory
CALLCONTROLLER_MEDIA_PORT: media.port "x": must be a whole number from 0 to 65535`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// A configuration made in code is held to the same rules.
func TestValidateInCode(t *testing.T) {
	c := config.Default()
	c.SIP.Domain = "lab.test"
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.Limits.Calls, c.Refer.Limit, c.Data = 0, 0, ""
	c.HTTP.Listen = append(c.HTTP.Listen, config.Listen{Scheme: "ftp", Host: "h", Port: 1})
	c.SIP.Account = config.Account{Username: "u", Password: secret.New("geheim")}
	c.Users.Inline = []directory.User{{Name: "a b", PIN: secret.New("geheim")}}
	want := `http.listen "ftp://h:1": must be https://HOST:PORT or http://HOST:PORT with a port from 0 to 65535
refer.limit "0s": must be a time above zero, such as 90s, 1m30s or 90 (seconds)
limits.calls "0": must be a whole number from 1 to 1000000
data: must name a directory
users[0].name "a b": has a space or an unprintable character in it`
	err := c.Validate()
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// A configuration is taken or refused with a place for every fault, whatever it is.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"testdata/full.yaml", "testdata/broken.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	name := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(name, nil, nil)
		if err == nil {
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, name) && !strings.HasPrefix(line, "users[") {
				t.Errorf("a fault without its place: %q", line)
			}
		}
	})
}
