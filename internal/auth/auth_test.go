package auth_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/auth"
	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
)

type users map[string]directory.User

func (u users) Lookup(name string) (directory.User, bool) {
	user, ok := u[name]
	return user, ok
}

func (u users) Costliest() (hash secret.Text) {
	for _, user := range u {
		if !user.PINHash.IsEmpty() {
			hash = user.PINHash
		}
	}
	return hash
}

// config is that of a server with these users, which nobody has attacked yet.
func config(u users) auth.Config {
	return auth.Config{Realm: "lab.test", Users: u, Guard: auth.NewGuard(0)}
}

var people = func() users {
	alice := directory.User{Name: "201", Aliases: []string{"alice"}, PIN: secret.New("1234")}
	return users{
		"201": alice, "alice": alice,
		"202": {Name: "202", PIN: secret.New("a:b::")},
		"203": {Name: "203"},
		"zoë": {Name: "zoë", PIN: secret.New("пин")},
		"204": {Name: "204", PIN: secret.New("no PIN")},
		"205": {Name: "205", PIN: secret.New("1234"), Disabled: true},
		"206": {Name: "206", PIN: secret.New("1234"), Admin: true},
	}
}()

func chain(trusted ...string) auth.Chain {
	var networks []netip.Prefix
	for _, t := range trusted {
		networks = append(networks, netip.MustParsePrefix(t))
	}
	return auth.Chain{auth.NewTrusted(networks), auth.NewBasic(config(people))}
}

const (
	plain   = "http://pbx.test"
	overTLS = "https://pbx.test"
)

func request(base, peer string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPost, base+"/callcontroller/201/202", nil)
	r.RemoteAddr = peer
	if base == overTLS {
		r.TLS = &tls.ConnectionState{}
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}

func basic(userinfo string) http.Header {
	return authorization("Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo)))
}

func authorization(values ...string) http.Header { return http.Header{"Authorization": values} }

const stranger = "192.0.2.7:40000"

func TestBasic(t *testing.T) {
	var (
		valid   = basic("201:1234")
		refused = auth.ErrRefused
	)
	for _, tt := range []struct {
		name   string
		base   string
		header http.Header
		want   string
		err    error
	}{
		{"name", overTLS, valid, "201", nil},
		{"alias gives the name", overTLS, basic("alice:1234"), "201", nil},
		{"colons in the PIN", overTLS, basic("202:a:b::"), "202", nil},
		{"UTF-8", overTLS, basic("zoë:пин"), "zoë", nil},
		{"scheme in any case", overTLS, authorization("bAsIc MjAxOjEyMzQ="), "201", nil},
		{"a PIN that is the dummy", overTLS, basic("204:no PIN"), "204", nil},
		{"nothing", overTLS, nil, "", auth.ErrMissing},
		{"another scheme", overTLS, authorization("Bearer abc"), "", auth.ErrMissing},
		{"empty header", overTLS, authorization(""), "", auth.ErrMissing},
		{"wrong PIN", overTLS, basic("201:1235"), "", refused},
		{"front of the PIN", overTLS, basic("201:123"), "", refused},
		{"no PIN given", overTLS, basic("201:"), "", refused},
		{"unknown user", overTLS, basic("999:1234"), "", refused},
		{"unknown user, dummy PIN", overTLS, basic("999:no PIN"), "", refused},
		{"case of the name", overTLS, basic("Alice:1234"), "", refused},
		{"Latin-1", overTLS, basic("zo\xeb:x"), "", refused},
		{"no colon", overTLS, basic("201"), "", refused},
		{"no base64", overTLS, authorization("Basic 201:1234"), "", refused},
		{"scheme alone", overTLS, authorization("Basic"), "", refused},
		{"two headers, one right", overTLS, authorization(valid.Get("Authorization"), "Basic eA=="), "", refused},
		{"two in one header", overTLS, authorization(valid.Get("Authorization") + ", Basic eA=="), "", refused},
		{"plain HTTP, right PIN", plain, valid, "", auth.ErrInsecure},
		{"plain HTTP, wrong PIN", plain, basic("201:1235"), "", auth.ErrInsecure},
		{"plain HTTP, nothing", plain, nil, "", auth.ErrInsecure},
		{"plain HTTP, two headers", plain, authorization("a", "b"), "", auth.ErrInsecure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := chain().Authenticate(request(tt.base, stranger, tt.header))
			if got != (auth.Principal{Name: tt.want}) || !errors.Is(err, tt.err) {
				t.Errorf("%+v, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// Row Z12: a user without a PIN is never authenticated, whatever is sent.
func TestZ12UserWithoutPINIsNeverAuthenticated(t *testing.T) {
	for _, userinfo := range []string{"203:", "203:no PIN", "203:203", "203"} {
		got, err := chain().Authenticate(request(overTLS, stranger, basic(userinfo)))
		if got != (auth.Principal{}) || !errors.Is(err, auth.ErrRefused) {
			t.Errorf("%q: %+v, %v", userinfo, got, err)
		}
	}
}

// Rows R04 and Z11: nothing tells a wrong PIN from an unknown user or one without a
// PIN, and each refusal has its challenge.
func TestR04RefusalsLookTheSame(t *testing.T) {
	want := []string{`Basic realm="lab.test", charset="UTF-8"`}
	for _, userinfo := range []string{"201:wrong", "999:wrong", "203:wrong", "205:wrong", "205:1234"} {
		r := request(overTLS, stranger, basic(userinfo))
		_, err := chain().Authenticate(r)
		if err != auth.ErrRefused { //nolint:errorlint // the very same value, not one that wraps it
			t.Errorf("%s: %v", userinfo, err)
		}
		if diff := cmp.Diff(want, chain().Challenge(r, nil)); diff != "" {
			t.Error(diff)
		}
	}
	if got := chain("10.0.0.0/8").Challenge(request(plain, stranger, nil), nil); len(got) != 0 {
		t.Errorf("challenge on plain HTTP: %q", got)
	}
	odd := config(people)
	odd.Realm = `a"b\`
	quoted := auth.NewBasic(odd).Challenge(request(overTLS, stranger, nil), nil)
	if diff := cmp.Diff([]string{`Basic realm="a\"b\\", charset="UTF-8"`}, quoted); diff != "" {
		t.Error(diff)
	}
}

func TestTrustedPeer(t *testing.T) {
	networks := []string{"10.0.0.0/8", "2001:db8::/32", "fe80::/10"}
	for peer, want := range map[string]bool{
		"10.1.2.3:1":           true,
		"[::ffff:10.1.2.3]:1":  true,
		"[2001:db8::1]:1":      true,
		"[fe80::1%eth0]:1":     true,
		"11.1.2.3:1":           false,
		"[::ffff:11.1.2.3]:1":  false,
		"127.0.0.1:1":          false,
		"[::1]:1":              false,
		"[::10.1.2.3]:1":       false,
		"":                     false,
		"@":                    false,
		"10.1.2.3":             false,
		"10.1.2.3, 11.1.2.3:1": false,
	} {
		for _, header := range []http.Header{nil, basic("201:wrong"), basic("201:1234"), authorization("a", "b")} {
			got, err := chain(networks...).Authenticate(request(plain, peer, header))
			if want && (got != (auth.Principal{Trusted: true}) || err != nil) {
				t.Errorf("%s %v: %+v, %v", peer, header, got, err)
			}
			if !want && (got != (auth.Principal{}) || !errors.Is(err, auth.ErrInsecure)) {
				t.Errorf("%s %v: %+v, %v", peer, header, got, err)
			}
		}
	}
}

// Rows Z01 and Z02: whatever the request says of itself, its peer stays a stranger;
// and a trusted peer stays trusted.
func TestZ01Z02HeadersDoNotMakeAPeerTrusted(t *testing.T) {
	for _, base := range []string{plain, overTLS} {
		for _, forged := range []http.Header{
			{"X-Forwarded-For": {"10.0.0.1"}},
			{"X-Forwarded-For": {"127.0.0.1", "10.0.0.1"}},
			{"Forwarded": {"for=10.0.0.1;proto=https;by=10.0.0.2"}},
			{"X-Real-Ip": {"10.0.0.1"}},
			{"X-Forwarded-Proto": {"https"}},
			{"X-Forwarded-Host": {"10.0.0.1:6667"}},
			{"Sipx-User": {"201"}},
			{"True-Client-Ip": {"10.0.0.1"}},
		} {
			for _, host := range []string{"pbx.test", "pbx.test:6667", "10.0.0.1:6667", "localhost"} {
				r := request(base, stranger, forged)
				r.Host = host
				if got, err := chain("10.0.0.0/8").Authenticate(r); err == nil {
					t.Errorf("%s, Host %s, %v: %+v", base, host, forged, got)
				}
				r.RemoteAddr = "10.9.9.9:1"
				if got, err := chain("10.0.0.0/8").Authenticate(r); err != nil || got != (auth.Principal{Trusted: true}) {
					t.Errorf("trusted peer with %v: %+v, %v", forged, got, err)
				}
			}
		}
	}
}

// robot stands for a kind of credentials that comes later.
type robot struct{ err error }

func (a robot) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Name: "robot"}, a.err
}
func (a robot) Challenge(*http.Request, error) []string { return []string{"Bearer"} }

func TestChainOfSeveralKinds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  error
		header http.Header
		want   string
		err    error
	}{
		{"accepted by the first", nil, basic("201:1234"), "robot", nil},
		{"not mine, accepted by the second", auth.ErrMissing, basic("201:1234"), "201", nil},
		{"not mine, refused by the second", auth.ErrMissing, basic("201:x"), "", auth.ErrRefused},
		{"refused by the first", auth.ErrRefused, basic("201:1234"), "", auth.ErrRefused},
		{"nobody's", auth.ErrMissing, nil, "", auth.ErrMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := auth.Chain{robot{tt.first}, auth.NewBasic(config(people))}
			r := request(overTLS, stranger, tt.header)
			got, err := c.Authenticate(r)
			if got.Name != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%+v, %v", got, err)
			}
			if diff := cmp.Diff([]string{"Bearer", `Basic realm="lab.test", charset="UTF-8"`}, c.Challenge(r, nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever the header is, it is accepted only when it is the base64 of a login name
// and its PIN.
func FuzzBasicHeader(f *testing.F) {
	for _, header := range []string{"Basic MjAxOjEyMzQ=", "basic  MjAxOjEyMzQ=", "Basic", "", "Basic ====", "Basic MjAx", "Bearer x"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := chain().Authenticate(request(overTLS, stranger, authorization(header)))
		if err != nil {
			return
		}
		_, encoded, _ := strings.Cut(header, " ")
		userinfo, decodeErr := base64.StdEncoding.DecodeString(encoded)
		name, pin, _ := strings.Cut(string(userinfo), ":")
		if user := people[name]; decodeErr != nil || user.PIN.Reveal() != pin || pin == "" || user.Name != got.Name {
			t.Errorf("%q was accepted as %+v", header, got)
		}
	})
}
