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
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

// tokens implements auth.Tokens. What is a token is any text.
type tokens map[token.Hash]token.Token

func newTokens() tokens { return tokens{} }

func (l tokens) Find(hash token.Hash) (token.Token, bool) {
	t, ok := l[hash]
	return t, ok
}

// add makes a token, with an ID that tells its number.
func (l tokens) add(t token.Token) string {
	t.ID = fmt.Sprintf("id%d", len(l)+1)
	text := fmt.Sprintf("cct_%039d", len(l)+1)
	l[token.HashOf(secret.New(text))] = t
	return text
}

// of makes a token of a user, with all scopes.
func (l tokens) of(agent string) string {
	return l.add(token.Token{Agent: agent, Scopes: token.CallsRead | token.CallsWrite | token.Admin})
}

func (l tokens) expired() string {
	return l.add(token.Token{Agent: "201", Scopes: token.CallsRead, Expires: time.Unix(1, 0)})
}

func bearer(text string) http.Header { return authorization("Bearer " + text) }

// TestBearer: a token has the rights of its user as they are now, as far as its scopes go.
func TestBearer(t *testing.T) {
	l := newTokens()
	reads, all := l.add(token.Token{Agent: "201", Scopes: token.CallsRead}), l.of("201")
	ofAdmin, fewer := l.of("206"), l.add(token.Token{Agent: "206", Scopes: token.CallsWrite})
	nobodys := l.add(token.Token{Scopes: token.CallsRead | token.Admin})
	noPIN := l.add(token.Token{Agent: "203", Scopes: token.CallsRead})
	every := token.CallsRead | token.CallsWrite | token.Admin
	b := auth.NewBearer(config(people), l)
	for _, tt := range []struct {
		name   string
		base   string
		header http.Header
		want   auth.Principal
		err    error
	}{
		{"reads", overTLS, bearer(reads), auth.Principal{Name: "201", Token: "id1", Scopes: token.CallsRead}, nil},
		{"no administrator, whatever the scopes", overTLS, bearer(all), auth.Principal{Name: "201", Token: "id2", Scopes: every}, nil},
		{"administrator", overTLS, bearer(ofAdmin), auth.Principal{Name: "206", Admin: true, Token: "id3", Scopes: every}, nil},
		{"administrator without the scope", overTLS, bearer(fewer), auth.Principal{Name: "206", Token: "id4", Scopes: token.CallsWrite}, nil},
		{"nobody's", overTLS, bearer(nobodys), auth.Principal{Admin: true, Token: "id5", Scopes: token.CallsRead | token.Admin}, nil},
		{"a user without a PIN", overTLS, bearer(noPIN), auth.Principal{Name: "203", Token: "id6", Scopes: token.CallsRead}, nil},
		{"scheme in any case, more spaces", overTLS, authorization("bEaReR   " + reads), auth.Principal{Name: "201", Token: "id1", Scopes: token.CallsRead}, nil},
		{"nothing", overTLS, nil, auth.Principal{}, auth.ErrMissing},
		{"another scheme", overTLS, basic("201:1234"), auth.Principal{}, auth.ErrMissing},
		{"scheme alone", overTLS, authorization("Bearer"), auth.Principal{}, auth.ErrRefused},
		{"empty", overTLS, bearer(""), auth.Principal{}, auth.ErrRefused},
		{"unknown", overTLS, bearer("cct_" + strings.Repeat("9", 39)), auth.Principal{}, auth.ErrRefused},
		{"mistyped", overTLS, bearer(reads[:42] + "z"), auth.Principal{}, auth.ErrRefused},
		{"something behind it", overTLS, bearer(reads + " x"), auth.Principal{}, auth.ErrRefused},
		{"two at once", overTLS, authorization("Bearer "+reads, "Bearer "+reads), auth.Principal{}, auth.ErrRefused},
		{"in another case", overTLS, bearer(strings.ToUpper(reads)), auth.Principal{}, auth.ErrRefused},
		{"the ID", overTLS, bearer("id1"), auth.Principal{}, auth.ErrRefused},
		{"of a disabled user", overTLS, bearer(l.of("205")), auth.Principal{}, auth.ErrRefused},
		{"of nobody any more", overTLS, bearer(l.of("999")), auth.Principal{}, auth.ErrRefused},
		{"of who is an alias now", overTLS, bearer(l.of("alice")), auth.Principal{}, auth.ErrRefused},
		{"expired", overTLS, bearer(l.expired()), auth.Principal{}, auth.ErrRefused},
		{"plain HTTP", plain, bearer(reads), auth.Principal{}, auth.ErrInsecure},
		{"plain HTTP, unknown", plain, bearer("x"), auth.Principal{}, auth.ErrInsecure},
		{"plain HTTP, nothing", plain, nil, auth.Principal{}, auth.ErrMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := b.Authenticate(request(tt.base, stranger, tt.header))
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// A token counts in the field Authorization only (RFC 6750 section 2.2 and 2.3 are not
// offered).
func TestBearerElsewhere(t *testing.T) {
	l := newTokens()
	text := l.of("201")
	b := auth.NewBearer(config(people), l)
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.URL.RawQuery = "access_token=" + text },
		func(r *http.Request) { r.PostForm = map[string][]string{"access_token": {text}} },
		func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Bearer "+text) },
		func(r *http.Request) { r.Header.Set("Cookie", "access_token="+text) },
	} {
		r := request(overTLS, stranger, nil)
		change(r)
		if got, err := b.Authenticate(r); !errors.Is(err, auth.ErrMissing) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// A token holds until its time, and not a moment longer.
func TestBearerExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTokens()
		text := l.add(token.Token{Agent: "201", Scopes: token.CallsRead, Expires: time.Now().Add(90 * 24 * time.Hour)})
		b := auth.NewBearer(config(people), l)
		login := func() error {
			_, err := b.Authenticate(request(overTLS, stranger, bearer(text)))
			return err
		}
		time.Sleep(90*24*time.Hour - time.Nanosecond)
		if err := login(); err != nil {
			t.Errorf("too early: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := login(); err != auth.ErrRefused { //nolint:errorlint // nothing may tell two refusals apart
			t.Errorf("too late: %v", err)
		}
	})
}

// Row R14: Bearer is asked of nobody who did not come with one, so old clients see the
// challenges that they always saw; one that came with a token is told that it is not valid,
// and what else there is.
func TestR14BearerChallenges(t *testing.T) {
	l := newTokens()
	text := l.of("201")
	c := config(people)
	with := auth.Chain{auth.NewTrusted(nil), auth.NewBearer(c, l), auth.NewDigest(c, []rfc7616.Hash{rfc7616.SHA256}, false), auth.NewBasic(c)}
	without := auth.Chain{with[0], with[2], with[3]}
	for name, header := range map[string]http.Header{"nothing": nil, "Basic": basic("201:x"), "Digest": authorization("Digest x"), "Negotiate": authorization("Negotiate x"), "two": authorization("Bearer x", "Basic x")} {
		for _, base := range []string{plain, overTLS} {
			r := request(base, stranger, header)
			_, err := with.Authenticate(r)
			if _, want := without.Authenticate(r); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if diff := cmp.Diff(schemes(without.Challenge(r, err)), schemes(with.Challenge(r, err))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	r := request(overTLS, stranger, bearer("x"))
	_, err := with.Authenticate(r)
	got := with.Challenge(r, err)
	if diff := cmp.Diff([]string{"Bearer", "Digest", "Basic"}, schemes(got)); diff != "" || got[0] != `Bearer realm="lab.test", error="invalid_token"` {
		t.Errorf("%v: %q", err, got)
	}
	r = request(overTLS, stranger, bearer(text))
	if got := with.Challenge(r, auth.ErrMissing)[0]; got != `Bearer realm="lab.test"` { // when something else is wrong than the token
		t.Error(got)
	}
	r = request(plain, stranger, bearer(text))
	_, err = with.Authenticate(r)
	if diff := cmp.Diff([]string{"Digest"}, schemes(with.Challenge(r, err))); diff != "" || err != auth.ErrRefused { //nolint:errorlint // as above
		t.Errorf("plain HTTP: %v, %s", err, diff)
	}
	bare := auth.Chain{with[0], with[1], with[3]}
	if _, err := bare.Authenticate(r); !errors.Is(err, auth.ErrInsecure) || !strings.Contains(err.Error(), "token needs HTTPS") {
		t.Errorf("plain HTTP without Digest: %v", err)
	}
	trusting := auth.Chain{auth.NewTrusted([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}), with[1]}
	if p, err := trusting.Authenticate(r); err != nil || p != (auth.Principal{Trusted: true}) {
		t.Errorf("trusted: %+v, %v", p, err)
	}
}

func schemes(challenges []string) (list []string) {
	for _, c := range challenges {
		scheme, _, _ := strings.Cut(c, " ")
		list = append(list, scheme)
	}
	return list
}

// Row Z10: who guesses tokens is slowed down by his source, and nobody else is. A source
// that has come with a right one is not held up by others behind the same address.
func TestZ10TokenGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTokens()
		right, other := l.of("201"), l.of("202")
		c := config(people)
		c.Guard = auth.NewGuard(60)
		chain := auth.Chain{auth.NewBearer(c, l), auth.NewBasic(c)}
		login := func(source string, header http.Header) string {
			_, err := chain.Authenticate(request(overTLS, source+":1", header))
			if _, slow := errors.AsType[*auth.SlowDownError](err); slow {
				return "slow"
			}
			return map[bool]string{true: "in", false: "out"}[err == nil]
		}
		if got := login("192.0.2.1", bearer(right)); got != "in" {
			t.Fatal(got)
		}
		looked := 0
		for i := range 1000 {
			if login("192.0.2.1", bearer(fmt.Sprintf("guess%d", i))) == "out" {
				looked++
			}
		}
		if looked != 20 {
			t.Errorf("%d guesses were looked at, want 20", looked)
		}
		for _, tt := range []struct {
			what, source string
			header       http.Header
			want         string
		}{
			{"the one that came before", "192.0.2.1", bearer(right), "in"},
			{"another right one", "192.0.2.1", bearer(other), "slow"},
			{"a right PIN", "192.0.2.1", basic("201:1234"), "slow"},
			{"from elsewhere", "192.0.2.2", bearer(other), "in"},
			{"a PIN from elsewhere", "192.0.2.2", basic("201:1234"), "in"},
		} {
			if got := login(tt.source, tt.header); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
			}
		}
		time.Sleep(time.Minute)
		if got := login("192.0.2.1", bearer(other)); got != "in" {
			t.Errorf("a minute later: %s", got)
		}
	})
}

// FuzzBearerHeader: whatever the header is, it is accepted only when the token stands
// behind the scheme and nothing else does.
func FuzzBearerHeader(f *testing.F) {
	l := newTokens()
	text := l.of("201")
	b := auth.NewBearer(config(people), l)
	for _, header := range []string{"Bearer " + text, "bearer  " + text, "Bearer", "", "Bearer\t" + text, "Bearer " + text + ",", "Basic " + text, "Bearer=" + text, "Bearer \"" + text + "\""} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := b.Authenticate(request(overTLS, stranger, authorization(header)))
		scheme, rest, _ := strings.Cut(header, " ")
		if want := strings.EqualFold(scheme, "Bearer") && strings.TrimLeft(rest, " ") == text; want != (err == nil) {
			t.Errorf("%q: %+v, %v", header, got, err)
		}
	})
}
