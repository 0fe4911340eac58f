package config_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/policy"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
)

// sameValues compares what is configured, not where it was written.
var sameValues = cmp.Options{cmpopts.IgnoreUnexported(config.Config{}), cmpopts.EquateComparable(netip.Prefix{}, policy.Pattern{}, policy.Window{}), cmpopts.EquateEmpty()}

func load(t *testing.T, text string, environ []string, overrides map[string]string) (*config.Config, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(name, environ, overrides)
}

func mustLoad(t *testing.T, text string, environ []string, overrides map[string]string) *config.Config {
	t.Helper()
	c, err := load(t, text, environ, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func patterns(t *testing.T, text string) []policy.Pattern {
	t.Helper()
	p, err := policy.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return []policy.Pattern{p}
}

func windows(t *testing.T, text string) []policy.Window {
	t.Helper()
	w, err := policy.ParseWindow(text)
	if err != nil {
		t.Fatal(err)
	}
	return []policy.Window{w}
}

func TestEveryKeyOfTheFile(t *testing.T) {
	got, err := config.Load("testdata/full.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		SIP: config.SIP{
			Domain:         "lab.test",
			Proxy:          sip.URI{Scheme: "sip", Host: "127.0.0.1", Port: 5070, Params: ";transport=tcp"},
			Listen:         []config.Listen{{"udp", "127.0.0.1", 0}, {"tcp", "::1", 5062}},
			Advertise:      config.HostPort{Host: "[2001:db8::1]", Port: 5060},
			Account:        config.Account{Username: "200", Password: secret.New("geheim")},
			Realm:          "lab.test",
			KeepAlive:      90 * time.Second,
			SessionExpires: 10 * time.Minute,
			Automatic:      []string{"conf", "9*"},
			Sipx:           true,
			StrictSource:   true,
		},
		Media: config.Media{Port: 40000},
		Log:   config.Log{Level: slog.LevelDebug, Format: config.LogText},
		HTTP: config.HTTP{
			Listen:        []config.Listen{{"https", "0.0.0.0", 6666}, {"http", "10.0.0.1", 80}},
			Trusted:       []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			Digest:        []rfc7616.Hash{rfc7616.MD5},
			DigestLegacy:  true,
			LoginFailures: 30,
			MaxTimeout:    10 * time.Minute,
			Proxies:       []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}, Origins: []string{"https://crm.example.com"},
			Connections: 500, ConnectionsPerAddress: 50,
		},
		Users: config.Users{Inline: []directory.User{
			{
				Name: "201", Aliases: []string{"alice"}, DisplayName: "Alice", Identity: "201@lab.test", PIN: secret.New("0123"),
				SIP: directory.Credentials{Username: "201", Password: secret.New("geheim")},
			},
			{Name: "202", Identity: "sales@example.com"},
		}},
		Tokens: config.Tokens{File: "testdata/robots.json"},
		Policy: config.Policy{
			Hosts:    []config.HostPort{{Host: "gw.example.com"}, {Host: "gw.example.com", Port: 5080}},
			Timezone: "Europe/Berlin",
			Default:  policy.Set{Called: policy.Dial{Deny: patterns(t, "00*")}, AtOnce: 5},
			Users:    map[string]*policy.Set{"201": {Called: policy.Dial{Allow: patterns(t, "*")}, AtOnce: 5, Hours: windows(t, "Mon-Fri 07:00-20:00")}},
		},
		Data:   "testdata/state",
		Refer:  config.Refer{Delay: 20 * time.Millisecond, NotifyTimeout: 5 * time.Second, Limit: 90 * time.Second, Fallback: config.FallbackOff, ReferredBy: config.Caller},
		Compat: config.Compat{FirstRow: false},
		Limits: config.Limits{Calls: 10, Rate: 50, Rows: 20, Duration: 4 * time.Hour},
		Drain:  config.Drain{Limit: 500 * time.Millisecond},
		Audit:  config.Audit{File: "testdata/audit.log"},
		Journal: config.Journal{
			Enabled: true, MaxAge: 24 * time.Hour, MaxBytes: 5_000_000, NATS: []string{"nats://n1:4222", "tls://n2"}, Node: "east", Replicas: 3,
			NATSUser: "cc", NATSPassword: secret.New("geheim-n"), NATSCA: "testdata/ca.pem",
		},
		Webhooks: config.Webhooks{
			Hosts:    []config.HostPort{{Host: "hooks.example.com"}, {Host: "10.1.2.3", Port: 8080}},
			Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, AllowHTTP: true,
			Endpoints: []config.Endpoint{
				{
					Name: "crm", URL: "https://hooks.example.com/calls?x=1", Events: []string{"call.connected", "call.ended"}, Agents: []string{"201"},
					Secret: secret.New("whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltMDE="), Previous: secret.New("whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWlt"),
				},
				{Name: "wall_board", URL: "http://10.1.2.3:8080/", Secret: secret.New("whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltZ2VoZWltMDE="), SecretFile: "testdata/hook.secret"},
			},
		},
	}
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Error(diff)
	}
}

// TestTokensFile: it is in the data directory unless the configuration says otherwise.
func TestTokensFile(t *testing.T) {
	for text, want := range map[string]string{"": "data/tokens.json", "data: /var/lib/x": "/var/lib/x/tokens.json", "tokens.file: /etc/x.json": "/etc/x.json"} {
		if c := mustLoad(t, "sip.domain: lab.test\n"+text, nil, nil); c.TokensFile() != want {
			t.Errorf("%q: %s, want %s", text, c.TokensFile(), want)
		}
	}
}

// Row Z26: nothing is open, nobody is trusted and no password is known by default.
func TestZ26DefaultsAreSafe(t *testing.T) {
	c, err := config.Load("", []string{"CALLCONTROLLER_SIP_DOMAIN=lab.test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.SIP.Domain, want.SIP.Realm = "lab.test", "lab.test"
	if diff := cmp.Diff(&want, c, sameValues); diff != "" {
		t.Error(diff)
	}
	for _, l := range c.HTTP.Listen {
		if l.Scheme == "http" && !l.IsLoopback() {
			t.Errorf("plain HTTP on %s", l)
		}
	}
	if len(c.HTTP.Trusted)+len(c.Policy.Hosts)+len(c.Users.Inline) != 0 || !c.SIP.Account.Password.IsEmpty() {
		t.Errorf("not safe: %+v", c)
	}
}

func TestOrderOfOverriding(t *testing.T) {
	const text = "sip: {domain: file.test, listen: [udp://0.0.0.0:1]}\nlimits: {calls: 1, rows: 1}\nusers: [{name: a}]\n"
	environ := []string{
		"PATH=/bin", "CALLCONTROLLER_LIMITS_CALLS=2", "CALLCONTROLLER_LIMITS_ROWS=2",
		"CALLCONTROLLER_SIP_LISTEN=udp://0.0.0.0:2, tcp://0.0.0.0:3 ,", "CALLCONTROLLER_HTTP_TRUSTED=",
		"CALLCONTROLLER_REFER_NOTIFY_TIMEOUT=7", "CALLCONTROLLER_SIP_ACCOUNT_USERNAME=u", "CALLCONTROLLER_SIP_ACCOUNT_PASSWORD=a,b",
		// what Kubernetes sets when the service is called callcontroller
		"CALLCONTROLLER_SERVICE_HOST=10.0.0.1", "CALLCONTROLLER_SERVICE_PORT_HTTPS=6666", "CALLCONTROLLER_PORT=tcp://10.0.0.1:6666",
		"CALLCONTROLLER_PORT_6666_TCP_ADDR=10.0.0.1",
	}
	c := mustLoad(t, text, environ, map[string]string{"limits.rows": "3", "policy.hosts": "a.test,b.test:5080"})
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"file over default", c.SIP.Domain, "file.test"},
		{"environment over file", c.Limits.Calls, 2},
		{"command line over environment", c.Limits.Rows, 3},
		{"list in the environment", c.SIP.Listen, []config.Listen{{"udp", "0.0.0.0", 2}, {"tcp", "0.0.0.0", 3}}},
		{"empty list in the environment", len(c.HTTP.Trusted), 0},
		{"underscore in a key", c.Refer.NotifyTimeout, 7 * time.Second},
		{"comma in a secret", c.SIP.Account.Password.Reveal(), "a,b"},
		{"list on the command line", c.Policy.Hosts, []config.HostPort{{Host: "a.test"}, {Host: "b.test", Port: 5080}}},
		{"users of the file", len(c.Users.Inline), 1},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestUsersFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "people.yaml")
	for name, text := range map[string]string{
		file:                              "users: [{name: b}]",
		filepath.Join(dir, "config.yaml"): "sip: {domain: lab.test}\nusers: {file: people.yaml}",
		filepath.Join(dir, "inline.yaml"): "sip: {domain: lab.test}\nusers: [{name: a}]",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "config.yaml"), nil, nil)
	if err != nil || c.Users.File != file {
		t.Errorf("relative to the file: %v, %v", c, err)
	}
	c, err = config.Load(filepath.Join(dir, "inline.yaml"), []string{"CALLCONTROLLER_USERS_FILE=" + file}, nil)
	if err != nil || c.Users.File != file || len(c.Users.Inline) != 0 {
		t.Errorf("file over list: %v, %v", c, err)
	}
	_, err = config.Load("", nil, map[string]string{"users.file": filepath.Join(dir, "config.yaml"), "sip.domain": "lab.test"})
	want := filepath.Join(dir, "config.yaml") + ":1:1: sip: unknown key"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("faults of the users file: %v", err)
	}
}

func TestNoteWhenOthersCanReadSecrets(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config.yaml")
	for text, notes := range map[string]int{
		"sip: {domain: lab.test}":                                      0,
		"sip: {domain: lab.test, account: {username: a, password: b}}": 1,
		"sip: {domain: lab.test}\nusers: [{name: '201', pin: '1234'}]": 1,
		"sip: {domain: lab.test}\nwebhooks: {endpoints: [{name: a, url: 'https://h/', secret: whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWlt}]}": 1,
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(name, nil, nil)
		if err != nil || len(c.Notes()) != notes {
			t.Errorf("%s: %q, %v", text, c.Notes(), err)
		}
	}
}

func TestDump(t *testing.T) {
	var out bytes.Buffer
	c, err := config.Load("testdata/full.yaml", []string{"CALLCONTROLLER_LIMITS_ROWS=7"}, map[string]string{"drain.limit": "9"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Dump(&out); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/dump.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("%s\nall of it:\n%s", diff, out.String())
	}
}

// What Dump prints is a configuration again, but for the secrets.
func TestDumpCanBeLoaded(t *testing.T) {
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm = "lab.test", "lab.test"
	c.Users.Inline = []directory.User{{Name: "a", Aliases: []string{"b"}, Identity: "c@d"}}
	var out bytes.Buffer
	if err := c.Dump(&out); err != nil {
		t.Fatal(err)
	}
	back := mustLoad(t, out.String(), nil, nil)
	back.Data = c.Data // is relative to the file
	if diff := cmp.Diff(&c, back, sameValues); diff != "" {
		t.Errorf("%s\n%s", diff, out.String())
	}
}
