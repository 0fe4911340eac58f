package digest

import (
	"crypto/md5" //nolint:gosec // Digest in SIP is MD5 nearly everywhere.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/secret"
)

const (
	host     = "px.example.com:5060"
	password = "1234"
	uri      = "sip:202@example.com;user=phone"
)

func agent() Credentials { return Credentials{Username: "agent", Password: secret.New(password)} }

// challenge makes a Digest challenge with qop=auth; more is appended as it is.
func challenge(realm, nonce, more string) string {
	return fmt.Sprintf(`Digest realm="%s", nonce="%s", qop="auth"%s`, realm, nonce, more)
}

// mustRetry answers challenges and fails the test if there is no answer.
func mustRetry(t *testing.T, a *Attempt, status int, method string, challenges ...string) []Field {
	t.Helper()
	fields, err := a.Retry(status, challenges, method, uri)
	if err != nil {
		t.Fatalf("%d %q: %v", status, challenges, err)
	}
	return fields
}

// outline tells what a list of fields answers: header, realm, nonce, count. It checks the response value with a second implementation.
func outline(t *testing.T, method string, fields []Field) []string {
	t.Helper()
	var lines []string //nolint:prealloc // nil for no fields
	for _, f := range fields {
		got := readAnswer(t, f)
		if want := expected(method, got); got["response"] != want {
			t.Errorf("response = %s, want %s in %s", got["response"], want, f.Value)
		}
		lines = append(lines, strings.TrimSpace(strings.Join([]string{f.Name, got["realm"], got["nonce"], got["nc"]}, " ")))
	}
	slices.Sort(lines)
	return lines
}

// expected computes the response the plain way of the RFC's text.
func expected(method string, got map[string]string) string {
	h := func(s string) string {
		name := strings.TrimSuffix(strings.ToUpper(got["algorithm"]), "-SESS")
		sum := map[string]func() hash.Hash{"": md5.New, "MD5": md5.New, "SHA-256": sha256.New, "SHA-512-256": sha512.New512_256}[name]()
		sum.Write([]byte(s))
		return hex.EncodeToString(sum.Sum(nil))
	}
	ha1 := h(got["username"] + ":" + got["realm"] + ":" + password)
	if strings.HasSuffix(strings.ToUpper(got["algorithm"]), "-SESS") {
		ha1 = h(ha1 + ":" + got["nonce"] + ":" + got["cnonce"])
	}
	ha2 := h(method + ":" + got["uri"])
	if got["qop"] == "" {
		return h(ha1 + ":" + got["nonce"] + ":" + ha2)
	}
	return h(strings.Join([]string{ha1, got["nonce"], got["nc"], got["cnonce"], got["qop"], ha2}, ":"))
}

func wantOutline(t *testing.T, method string, fields []Field, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, outline(t, method, fields)); diff != "" {
		t.Error(diff)
	}
}

func TestU12Challenge(t *testing.T) {
	for status, name := range map[int]string{401: "Authorization", 407: "Proxy-Authorization"} {
		a := NewCache(0).NewAttempt(agent(), host)
		if got := a.Preemptive("INVITE", uri); got != nil {
			t.Fatalf("first try carries %v, want nothing", got)
		}
		fields := mustRetry(t, a, status, "INVITE", challenge("px", "n1", `, opaque="o", algorithm=md5`))
		wantOutline(t, "INVITE", fields, name+" px n1 00000001")
		got := readAnswer(t, fields[0])
		if got["uri"] != uri || got["opaque"] != "o" || got["algorithm"] != "md5" || got["qop"] != "auth" || got["username"] != "agent" {
			t.Errorf("wrong parameters: %v", got)
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got["cnonce"]) {
			t.Errorf("cnonce %q is not 128 bits in hexadecimal", got["cnonce"])
		}
		if !strings.Contains(fields[0].Value, ", qop=auth, nc=00000001, ") {
			t.Errorf("qop and nc must be without quotes: %s", fields[0].Value)
		}
	}
}

func TestU12WithoutQOP(t *testing.T) {
	a := NewCache(0).NewAttempt(agent(), host)
	fields := mustRetry(t, a, 401, "INVITE", `Digest realm="asterisk", nonce="4f2b"`)
	wantOutline(t, "INVITE", fields, "Authorization asterisk 4f2b")
	got := readAnswer(t, fields[0])
	for _, name := range []string{"qop", "nc", "cnonce", "opaque", "algorithm"} {
		if v, there := got[name]; there {
			t.Errorf("%s=%q must not be there", name, v)
		}
	}
}

func TestU12CnonceIsNew(t *testing.T) {
	c := NewCache(0)
	one := readAnswer(t, mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge("px", "n", ""))[0])
	two := readAnswer(t, mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge("px", "n", ""))[0])
	if one["cnonce"] == two["cnonce"] {
		t.Error("two requests with the same cnonce")
	}
	if one["nc"] != "00000001" || two["nc"] != "00000002" {
		t.Errorf("nc = %s, %s, want 1, 2: the nonce is the same", one["nc"], two["nc"])
	}
}

// step is one response to the request: what is challenged, and what follows.
type step struct {
	status     int
	challenges []string
	want       []string
	wantErr    error
}

// retryCase is one request from its first try to its end.
type retryCase struct {
	name string
	// cached is the nonce that an earlier request has left behind, after one use.
	cached string
	steps  []step
}

func retryCases() []retryCase {
	px := func(nonce, more string) []string { return []string{challenge("px", nonce, more)} }
	answer := func(nonce, nc string) []string { return []string{"Proxy-Authorization px " + nonce + " " + nc} }
	const stale = ", stale=true"
	return []retryCase{
		{"U13 wrong password, fresh nonces", "", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n2", ""), nil, ErrRejected},
		}},
		{"U13 wrong password, same nonce", "", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n1", ", stale=false"), nil, ErrRejected},
		}},
		{"U14 stale once", "", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n2", ", STALE=True"), answer("n2", "00000001"), nil},
		}},
		{"U14 stale for ever", "", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n2", stale), answer("n2", "00000001"), nil},
			{407, px("n3", stale), nil, ErrRejected},
		}},
		{"U14 wrong password after stale", "", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n2", stale), answer("n2", "00000001"), nil},
			{407, px("n3", ""), nil, ErrRejected},
		}},
		{"cached nonce has expired, server says stale", "n0", []step{
			{407, px("n1", stale), answer("n1", "00000001"), nil},
			{407, px("n2", ""), nil, ErrRejected},
		}},
		{"cached nonce has expired, server says nothing", "n0", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n2", ""), nil, ErrRejected},
		}},
		{"cached nonce expired, then the next one too", "n0", []step{
			{407, px("n1", ""), answer("n1", "00000001"), nil},
			{407, px("n2", stale), answer("n2", "00000001"), nil},
			{407, px("n3", stale), nil, ErrRejected},
		}},
		{"cached nonce is good, password is not", "n0", []step{
			{407, px("n0", ""), nil, ErrRejected},
		}},
		{"cached nonce is called stale and given again", "n0", []step{
			{407, px("n0", stale), answer("n0", "00000003"), nil},
			{407, px("n0", ""), nil, ErrRejected},
		}},
	}
}

func TestU13U14Retries(t *testing.T) {
	for _, tt := range retryCases() {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCache(0)
			if tt.cached != "" {
				mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge("px", tt.cached, ""))
			}
			a := c.NewAttempt(agent(), host)
			if got := a.Preemptive("INVITE", uri); (got != nil) != (tt.cached != "") {
				t.Fatalf("first try carries %v, cached nonce is %q", got, tt.cached)
			}
			play(t, a, tt.steps)
			if last := tt.steps[len(tt.steps)-1]; last.wantErr != nil && c.NewAttempt(agent(), host).Preemptive("INVITE", uri) != nil {
				t.Error("after a rejection the next request must ask for a challenge first")
			}
		})
	}
}

func play(t *testing.T, a *Attempt, steps []step) {
	t.Helper()
	for i, s := range steps {
		fields, err := a.Retry(s.status, s.challenges, "INVITE", uri)
		if !errors.Is(err, s.wantErr) || err == nil && s.wantErr != nil {
			t.Fatalf("step %d: error %v, want %v", i, err, s.wantErr)
		}
		if diff := cmp.Diff(s.want, outline(t, "INVITE", fields)); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
	}
}

func TestU15SeveralChallenges(t *testing.T) {
	c := NewCache(0)
	play(t, c.NewAttempt(agent(), host), []step{
		{407, []string{challenge("px1", "a", "")}, []string{"Proxy-Authorization px1 a 00000001"}, nil},
		{
			407,
			[]string{challenge("px2", "b", "")},
			[]string{"Proxy-Authorization px1 a 00000002", "Proxy-Authorization px2 b 00000001"},
			nil,
		},
		{
			401, []string{challenge("px1", "c", "")}, // The same realm, but another role.
			[]string{"Authorization px1 c 00000001", "Proxy-Authorization px1 a 00000003", "Proxy-Authorization px2 b 00000002"}, nil,
		},
		{407, []string{challenge("px1", "d", "")}, nil, ErrRejected},
	})
}

func TestU15ForkedChallenges(t *testing.T) {
	a := NewCache(0).NewAttempt(agent(), host)
	fields, err := a.RetryFields([]Field{
		{"www-authenticate", challenge("uas", "a", "")},
		{"Subject", challenge("x", "x", "")},
		{"Proxy-Authenticate", challenge("px", "b", "")},
		{"Proxy-Authenticate", challenge("px", "c", "")},
	}, "INVITE", uri)
	if err != nil {
		t.Fatal(err)
	}
	wantOutline(t, "INVITE", fields, "Authorization uas a 00000001", "Proxy-Authorization px b 00000001")
}

func TestU15RealmsAreBounded(t *testing.T) {
	c := NewCache(0)
	a := c.NewAttempt(agent(), host)
	for i := range maxRealms {
		mustRetry(t, a, 407, "INVITE", challenge(fmt.Sprint("px", i), "n", ""))
	}
	if _, err := a.Retry(407, []string{challenge("one more", "n", "")}, "INVITE", uri); !errors.Is(err, ErrTooManyRealms) {
		t.Errorf("error %v, want ErrTooManyRealms", err)
	}
	// Realms that the next request knows from the cache only give way to one that asks.
	b := c.NewAttempt(agent(), host)
	if got := b.Preemptive("INVITE", uri); len(got) != maxRealms {
		t.Fatalf("first try has %d fields, want %d", len(got), maxRealms)
	}
	if got := mustRetry(t, b, 407, "INVITE", challenge("one more", "n", "")); len(got) != maxRealms {
		t.Errorf("second try has %d fields, want %d", len(got), maxRealms)
	}
}

func TestU17NothingForOthers(t *testing.T) {
	cred := agent()
	cred.Realm, cred.Host = "px", host
	c := NewCache(0)
	mustRetry(t, c.NewAttempt(cred, host), 407, "INVITE", challenge("px", "n", ""))

	t.Run("foreign realm", func(t *testing.T) {
		for _, status := range []int{401, 407} {
			fields, err := c.NewAttempt(cred, host).Retry(status, []string{challenge("evil", "n", "")}, "BYE", uri)
			if !errors.Is(err, ErrForeignRealm) || fields != nil {
				t.Errorf("%d: got %v, %v, want ErrForeignRealm", status, fields, err)
			}
		}
	})
	t.Run("foreign realm beside ours", func(t *testing.T) {
		got := mustRetry(t, c.NewAttempt(cred, host), 407, "BYE", challenge("evil", "x", ""), challenge("px", "m", ""))
		wantOutline(t, "BYE", got, "Proxy-Authorization px m 00000001")
	})
	t.Run("our realm from another host", func(t *testing.T) {
		a := c.NewAttempt(cred, "phone.example.com")
		if got := a.Preemptive("BYE", uri); got != nil {
			t.Errorf("first try carries %v", got)
		}
		fields, err := a.Retry(407, []string{challenge("px", "n", "")}, "BYE", uri)
		if !errors.Is(err, ErrForeignHost) || fields != nil {
			t.Errorf("got %v, %v, want ErrForeignHost", fields, err)
		}
	})
	t.Run("cache is by host, username and realm", func(t *testing.T) {
		free := agent()
		other, elsewhere := free, free
		other.Username, elsewhere.Realm = "other", "py"
		for name, a := range map[string]*Attempt{
			"host": c.NewAttempt(free, "py.example.com"), "username": c.NewAttempt(other, host), "realm": c.NewAttempt(elsewhere, host),
		} {
			if got := a.Preemptive("INVITE", uri); got != nil {
				t.Errorf("another %s: first try carries %v", name, got)
			}
		}
		if got := c.NewAttempt(cred, strings.ToUpper(host)).Preemptive("INVITE", uri); len(got) != 1 {
			t.Errorf("host in capitals: first try carries %v, want one field", got)
		}
	})
}

// What a called phone asked for is not told to the next one: only the configured realm goes unasked to a server behind the proxy.
func TestU17ServerRealmIsNotSentUnasked(t *testing.T) {
	c := NewCache(0)
	cred := agent()
	mustRetry(t, c.NewAttempt(cred, host), 401, "INVITE", challenge("pbx", "n", ""))
	if got := c.NewAttempt(cred, host).Preemptive("INVITE", uri); got != nil {
		t.Errorf("without a configured realm the first try carries %v", got)
	}
	cred.Realm = "pbx"
	wantOutline(t, "INVITE", c.NewAttempt(cred, host).Preemptive("INVITE", uri), "Authorization pbx n 00000002")
}

func TestU18RequestsInsideADialog(t *testing.T) {
	c := NewCache(0)
	mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge("px", "n1", ""))
	for i, method := range []string{"REFER", "INVITE", "BYE"} {
		a := c.NewAttempt(agent(), host)
		wantOutline(t, method, a.Preemptive(method, uri), fmt.Sprintf("Proxy-Authorization px n%d 00000002", i+1))
		got := mustRetry(t, a, 407, method, challenge("px", fmt.Sprint("n", i+2), ", stale=true"))
		wantOutline(t, method, got, fmt.Sprintf("Proxy-Authorization px n%d 00000001", i+2))
	}
}

func TestNothingIsSentThatBreaksTheMessage(t *testing.T) {
	good := challenge("px", "n", "")
	tests := map[string]struct {
		credentials Credentials
		status      int
		uri         string
		wantErr     string
	}{
		"line end in URI":        {agent(), 407, "sip:a@b\r\nX: y", "control character"},
		"line end in username":   {Credentials{Username: "a\r\nb", Password: secret.New("p")}, 407, uri, "control character"},
		"control in realm":       {Credentials{Username: "a", Realm: "\x00", Password: secret.New("p")}, 407, uri, "control character"},
		"no username":            {Credentials{Password: secret.New("p")}, 407, uri, "username is empty"},
		"no secret":              {Credentials{Username: "a"}, 407, uri, "neither"},
		"both secrets":           {Credentials{Username: "a", Password: secret.New("p"), HA1: secret.New("p")}, 407, uri, "both"},
		"HA1 of a wrong length":  {Credentials{Username: "a", HA1: secret.New("abcd")}, 407, uri, "ha1"},
		"HA1 not hexadecimal":    {Credentials{Username: "a", HA1: secret.New(strings.Repeat("x", 32))}, 407, uri, "ha1"},
		"status is no challenge": {agent(), 403, uri, "status 403"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := NewCache(0).NewAttempt(tt.credentials, host)
			fields, err := a.Retry(tt.status, []string{good}, "INVITE", tt.uri)
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || fields != nil {
				t.Errorf("got %v, %v, want %q", fields, err, tt.wantErr)
			}
			if got := a.Preemptive("INVITE", tt.uri); got != nil {
				t.Errorf("first try carries %v", got)
			}
		})
	}
}

func TestZ20AttemptDoesNotPrintItsSecret(t *testing.T) {
	cred := agent()
	cred.Password = secret.New("sesame")
	a := NewCache(0).NewAttempt(cred, host)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb+verb, a, cred); strings.Contains(out, "sesame") {
			t.Errorf("%s prints the password: %s", verb, out)
		}
	}
}
