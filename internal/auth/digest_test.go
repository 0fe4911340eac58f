package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/auth"
	"callcontroller/internal/pin"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

var both = []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5}

// digestUsers are people, and some whose PINs are hashes.
var digestUsers = func() users {
	all := users{
		"301": {Name: "301", Aliases: []string{"carol"}, PINHA1: pin.HA1s("301", "lab.test", secret.New("1234"))},
		"302": {Name: "302", PINHA1: []secret.Text{pin.HA1(rfc7616.MD5, "302", "lab.test", secret.New("1234"))}},
		"303": {Name: "303", PINHA1: []secret.Text{pin.HA1(rfc7616.SHA256, "303", "other.test", secret.New("1234"))}},
	}
	all["carol"] = all["301"]
	for name, user := range people {
		all[name] = user
	}
	return all
}()

const target = "/callcontroller/201/202?agent=201"

// answer is what a client puts into the Authorization header. The zero value is no
// valid one: make it with answerTo.
type answer struct {
	rfc7616.Proof

	username, pin, realm, algorithm, qop string
	more                                 string // further parameters
	cut                                  string // a parameter that is left out
}

// answerTo takes the nonce out of the first challenge.
func answerTo(t *testing.T, challenges []string) answer {
	t.Helper()
	if len(challenges) == 0 {
		t.Fatal("no challenge")
	}
	return answer{
		username: "201", pin: "1234", realm: "lab.test", algorithm: "SHA-256", qop: "auth",
		Proof: rfc7616.Proof{
			Auth: true, Nonce: parameter(challenges[0], "nonce"), NC: "00000001", CNonce: "c", Method: http.MethodPost, URI: target,
		},
	}
}

// parameter gives a parameter of a challenge, or "".
func parameter(challenge, name string) string {
	p := rfc7616.NewParams(strings.TrimPrefix(challenge, "Digest "))
	for {
		found, value, err := p.Next()
		if found == name || found == "" || err != nil {
			return value
		}
	}
}

func (a answer) with(change func(*answer)) answer {
	change(&a)
	return a
}

func (a answer) count(n int) answer {
	a.NC = fmt.Sprintf("%08x", n)
	return a
}

func (a answer) header() string {
	a.Algorithm, _ = rfc7616.FindAlgorithm(a.algorithm)
	a.HA1 = a.Algorithm.Hash.HA1(a.username, a.realm, a.pin)
	list := []string{
		"username=" + quote(a.username), "realm=" + quote(a.realm), "nonce=" + quote(a.Nonce), "uri=" + quote(a.URI),
		`response="` + string(a.AppendResponse(nil)) + `"`,
	}
	if a.algorithm != "" {
		list = append(list, "algorithm="+a.algorithm)
	}
	if a.qop != "" {
		list = append(list, "qop="+a.qop, "nc="+a.NC, "cnonce="+quote(a.CNonce))
	}
	var kept []string
	for _, parameter := range list {
		if a.cut == "" || !strings.HasPrefix(parameter, a.cut+"=") {
			kept = append(kept, parameter)
		}
	}
	return "Digest " + strings.Join(kept, ", ") + a.more
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// lab is one server, asked at one target.
type lab struct {
	*testing.T
	auth.Chain
}

func newLab(t *testing.T, u users, hashes []rfc7616.Hash, legacy bool) lab {
	t.Helper()
	c := config(u)
	return lab{t, auth.Chain{auth.NewTrusted(nil), auth.NewDigest(c, hashes, legacy), auth.NewBasic(c)}}
}

func (l lab) request(header string) *http.Request {
	r := request(plain, stranger, nil)
	r.RequestURI = target
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	return r
}

func (l lab) challenges() []string { return l.Challenge(l.request(""), nil) }

func (l lab) send(header string) (auth.Principal, error) { return l.Authenticate(l.request(header)) }

// wants sends an answer and compares the error, the very same value.
func (l lab) wants(a answer, want error) {
	l.Helper()
	if _, err := l.send(a.header()); err != want { //nolint:errorlint // nothing may tell two refusals apart
		l.Errorf("%s: %v, want %v", a.header(), err, want)
	}
}

// Clients such as Chrome and curl take the first challenge that they know, so the order
// is that of preference; each is a field of its own, since not all clients can take
// several out of one.
func TestR14OrderOfChallenges(t *testing.T) {
	l := newLab(t, digestUsers, both, false)
	r := request(overTLS, stranger, nil)
	got := l.Challenge(r, nil)
	if len(got) != 3 {
		t.Fatalf("%q", got)
	}
	nonce := parameter(got[0], "nonce")
	want := []string{
		`Digest realm="lab.test", qop="auth", algorithm=SHA-256, nonce="` + nonce + `", charset=UTF-8`,
		`Digest realm="lab.test", qop="auth", algorithm=MD5, nonce="` + nonce + `", charset=UTF-8`,
		`Basic realm="lab.test", charset="UTF-8"`,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(nonce) != 43 {
		t.Error(diff)
	}
	if again := l.Challenge(r, nil); parameter(again[0], "nonce") == nonce {
		t.Error("the same nonce again")
	}
	if diff := cmp.Diff(2, len(l.challenges())); diff != "" {
		t.Errorf("over plain HTTP: %s", diff)
	}
	for hashes, want := range map[string]int{"": 1, "MD5": 2} {
		var list []rfc7616.Hash
		if hashes != "" {
			list = []rfc7616.Hash{rfc7616.MD5}
		}
		if got := newLab(t, digestUsers, list, false).Challenge(r, nil); len(got) != want {
			t.Errorf("with %q: %q", hashes, got)
		}
	}
}

func TestR14Digest(t *testing.T) {
	set := func(field func(*answer) *string, value string) func(*answer) {
		return func(a *answer) { *field(a) = value }
	}
	name := func(a *answer) *string { return &a.username }
	algorithm := func(a *answer) *string { return &a.algorithm }
	more := func(a *answer) *string { return &a.more }
	uri := func(a *answer) *string { return &a.URI }
	for _, tt := range []struct {
		name   string
		change func(*answer)
		want   string // the name of the principal, "" for a refusal
	}{
		{"SHA-256", func(*answer) {}, "201"},
		{"MD5", set(algorithm, "MD5"), "201"},
		{"no algorithm is MD5", set(algorithm, ""), "201"},
		{"algorithm in small letters", set(algorithm, "sha-256"), "201"},
		{"SHA-256-sess", set(algorithm, "SHA-256-sess"), "201"},
		{"MD5-sess", set(algorithm, "MD5-sess"), "201"},
		{"not offered", set(algorithm, "SHA-512-256"), ""},
		{"unknown algorithm", set(algorithm, "SHA-512"), ""},
		{"qop quoted", set(func(a *answer) *string { return &a.qop }, `"auth"`), "201"},
		{"auth-int", set(func(a *answer) *string { return &a.qop }, "auth-int"), ""},
		{"without qop", func(a *answer) { a.qop, a.Auth = "", false }, ""},
		{"without qop, count left", func(a *answer) { a.qop, a.Auth, a.more = "", false, ", nc=00000001" }, ""},
		{"userhash", set(more, ", userhash=true"), ""},
		{"no userhash", set(more, ", userhash=false"), "201"},
		{"unknown parameter", set(more, `, opaque="", colour="red"`), "201"},
		{"parameter twice", set(more, ", NC=00000001"), ""},
		{"junk behind", set(more, " junk"), ""},
		{"alias", set(name, "alice"), "201"},
		{"UTF-8", func(a *answer) { a.username, a.pin = "zoë", "пин" }, "zoë"},
		{"extended name", func(a *answer) {
			a.username, a.pin, a.cut, a.more = "zoë", "пин", "username", ", username*=utf-8''zo%C3%AB"
		}, "zoë"},
		{"both names", set(more, ", username*=UTF-8''201"), ""},
		{"extended name in Latin-1", func(a *answer) { a.cut, a.more = "username", ", username*=ISO-8859-1''201" }, ""},
		{"HA1", set(name, "301"), "301"},
		{"HA1, MD5", func(a *answer) { a.username, a.algorithm = "301", "MD5-sess" }, "301"},
		{"HA1 does not fit an alias", set(name, "carol"), ""},
		{"HA1 of MD5 only", func(a *answer) { a.username, a.algorithm = "302", "MD5" }, "302"},
		{"HA1 of MD5 only, asked by SHA-256", set(name, "302"), ""},
		{"HA1 of another realm", set(name, "303"), ""},
		{"administrator", set(name, "206"), "206"},
		{"wrong PIN", func(a *answer) { a.pin = "1235" }, ""},
		{"unknown user", set(name, "999"), ""},
		{"unknown user, dummy PIN", func(a *answer) { a.username, a.pin = "999", "no PIN" }, ""},
		{"no PIN", func(a *answer) { a.username, a.pin = "203", "" }, ""},
		{"no PIN, dummy PIN", func(a *answer) { a.username, a.pin = "203", "no PIN" }, ""},
		{"disabled", set(name, "205"), ""},
		{"other realm", func(a *answer) { a.realm = "other.test" }, ""},
		{"uri in absolute form", set(uri, "https://pbx.test"+target), "201"},
		{"other query", set(uri, "/callcontroller/201/202?agent=202"), ""},
		{"without the query", set(uri, "/callcontroller/201/202"), ""},
		{"escaped otherwise", set(uri, "/callcontroller/%3201/202?agent=201"), ""},
		{"other method", func(a *answer) { a.Method = http.MethodGet }, ""},
		{"count of zero", set(func(a *answer) *string { return &a.NC }, "00000000"), ""},
		{"short count", set(func(a *answer) *string { return &a.NC }, "1"), ""},
		{"empty cnonce", set(func(a *answer) *string { return &a.CNonce }, ""), ""},
		{"no response", func(a *answer) { a.cut = "response" }, ""},
		{"no uri", func(a *answer) { a.cut = "uri" }, ""},
		{"no nonce", func(a *answer) { a.cut = "nonce" }, ""},
		{"no name", func(a *answer) { a.cut = "username" }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, digestUsers, both, false)
			a := answerTo(t, l.challenges()).with(tt.change)
			got, err := l.send(a.header())
			if want := (auth.Principal{Name: tt.want, Admin: tt.want == "206"}); got != want || (err == nil) != (tt.want != "") {
				t.Errorf("%s: %+v, %v", a.header(), got, err)
			}
			if err != nil && err != auth.ErrRefused { //nolint:errorlint // nothing may tell two refusals apart
				t.Errorf("%s: %v", a.header(), err)
			}
		})
	}
}

// The examples of RFC 7616 section 3.9.1 have a nonce of somebody else, so their
// computation is tested in package rfc7616; here, that a target in absolute form is one.
func TestR14TargetInAbsoluteForm(t *testing.T) {
	l := newLab(t, digestUsers, both, false)
	r := l.request(answerTo(t, l.challenges()).header())
	r.RequestURI = "http://pbx.test" + target
	if got, err := l.Authenticate(r); err != nil || got.Name != "201" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestR14ChainOfKinds(t *testing.T) {
	l := newLab(t, digestUsers, both, false)
	for _, header := range []string{"Digest", "Digest ", "digest username=201", "Digest realm=\"lab.test"} {
		if _, err := l.send(header); !errors.Is(err, auth.ErrRefused) {
			t.Errorf("%q: %v", header, err)
		}
	}
	// Basic in the clear is refused unread, and shown the way by Digest (CONTRACT 10.3).
	if _, err := l.send(basic("201:1234").Get("Authorization")); err != auth.ErrRefused { //nolint:errorlint // not ErrInsecure
		t.Errorf("Basic over plain HTTP: %v", err)
	}
	if _, err := newLab(t, digestUsers, nil, false).send("Digest username=201"); !errors.Is(err, auth.ErrInsecure) {
		t.Errorf("no Digest offered: %v", err)
	}
	c := config(digestUsers)
	trusted := auth.Chain{auth.NewTrusted([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}), auth.NewDigest(c, both, false)}
	if got, err := trusted.Authenticate(l.request("Digest nonsense")); err != nil || !got.Trusted {
		t.Errorf("trusted peer: %+v, %v", got, err)
	}
}

func TestR14Legacy(t *testing.T) {
	l := newLab(t, digestUsers, both, true)
	old := answerTo(t, l.challenges()).with(func(a *answer) { a.qop, a.Auth, a.algorithm = "", false, "MD5" })
	l.wants(old, nil)
	l.wants(old, auth.ErrStale) // such a nonce is good for one request
	old.Nonce = parameter(l.challenges()[0], "nonce")
	l.wants(old.with(func(a *answer) { a.algorithm = "MD5-sess" }), auth.ErrRefused)
	l.wants(old, nil)
}

// Row Z09: what was captured is good for nothing.
func TestZ09DigestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, digestUsers, both, false)
		a := answerTo(t, l.challenges())
		l.wants(a, nil)
		l.wants(a, auth.ErrRefused)
		l.wants(a.count(70), nil) // in any order, each once
		l.wants(a.count(69), nil)
		l.wants(a.count(7), nil)
		l.wants(a.count(6), auth.ErrRefused) // too far behind to know
		l.wants(a.count(69), auth.ErrRefused)
		l.wants(a.count(1<<32-1), nil)
		for _, change := range []func(*http.Request){
			func(r *http.Request) { r.Method = http.MethodGet },
			func(r *http.Request) { r.RequestURI = "/callcontroller/201/203?agent=201" },
			func(r *http.Request) { r.RequestURI += "&timeout=1" },
		} {
			r := l.request(answerTo(t, l.challenges()).header())
			change(r)
			if _, err := l.Authenticate(r); err != auth.ErrRefused { //nolint:errorlint // not stale
				t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
			}
		}
		other := newLab(t, digestUsers, both, false)
		other.wants(a.count(2), auth.ErrRefused)
		l.wants(a.with(func(a *answer) { a.Nonce = "A" + a.Nonce[1:] }).count(3), auth.ErrRefused)
		l.wants(a.with(func(a *answer) { a.Nonce += "=" }).count(3), auth.ErrRefused)
	})
}

func TestZ09StaleOnlyForARightResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, digestUsers, both, false)
		a, unused := answerTo(t, l.challenges()), answerTo(t, l.challenges())
		l.wants(a, nil)
		time.Sleep(5 * time.Minute)
		l.wants(a.count(2), nil)
		time.Sleep(time.Second)
		for _, old := range []answer{a, a.count(3), unused} {
			l.wants(old, auth.ErrStale)
			l.wants(old.with(func(a *answer) { a.pin = "1235" }), auth.ErrRefused)
			l.wants(old.with(func(a *answer) { a.username = "205" }), auth.ErrRefused)
		}
		for err, want := range map[error]string{auth.ErrStale: "true", auth.ErrRefused: "", auth.ErrMissing: "", nil: ""} {
			for _, challenge := range l.Challenge(l.request(""), err) {
				if got := parameter(challenge, "stale"); got != want {
					t.Errorf("after %v: stale is %q in %s", err, got, challenge)
				}
			}
		}
	})
}

// Row Z12 for Digest is in the table of TestR14Digest; here, with hashes.
func TestZ12HashesOfAnEmptyPINAreNeverRight(t *testing.T) {
	empty := users{"201": {Name: "201", PINHA1: pin.HA1s("201", "lab.test", secret.Text{}), PINHash: pin.NewHash(secret.Text{}).Text()}}
	l := newLab(t, empty, both, false)
	r := request(overTLS, stranger, basic("201:"))
	if got, err := l.Authenticate(r); !errors.Is(err, auth.ErrRefused) {
		t.Errorf("%+v, %v", got, err)
	}
}

// hash1234 is a cheap argon2id hash of 1234.
var hash1234 = secret.New("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE")

func TestBasicWithHashes(t *testing.T) {
	stored := users{
		"301": digestUsers["301"], "carol": digestUsers["carol"], "302": digestUsers["302"], "303": digestUsers["303"],
		"401": {Name: "401", PINHash: hash1234},
		"402": {Name: "402", PINHash: hash1234, Disabled: true},
		"403": {Name: "403", PIN: secret.New("9999")},
	}
	l := newLab(t, stored, both, false)
	for userinfo, want := range map[string]string{
		"301:1234": "301", "carol:1234": "301", "302:1234": "302", "401:1234": "401", "403:9999": "403",
		"303:1234": "", "401:1235": "", "402:1234": "", "403:1234": "", "404:1234": "", "301:no PIN": "", "401:": "",
	} {
		got, err := l.Authenticate(request(overTLS, stranger, basic(userinfo)))
		if got.Name != want || (err == nil) != (want != "") {
			t.Errorf("%s: %+v, %v", userinfo, got, err)
		}
	}
	// A pin_hash is of no use to Digest.
	l.wants(answerTo(t, l.challenges()).with(func(a *answer) { a.username = "401" }), auth.ErrRefused)
}
