package auth_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// tries is how often each kind of refusal is timed.
const tries = 2000

// BenchmarkZ11Refusals times the refusals of rows R04 and Z11, turn about, and reports
// how far the median of each is from that of a wrong PIN, in percent. It is run by hand:
//
//	go test -run '^$' -bench Z11 -benchtime 1x ./internal/auth
func BenchmarkZ11Refusals(b *testing.B) {
	right := secret.New("1234")
	for name, user := range map[string]directory.User{
		"plain":    {PIN: right},
		"ha1":      {PINHA1: pin.HA1s("201", "lab.test", right)},
		"argon2id": {PINHash: hash1234},
	} {
		disabled := user
		user.Name, disabled.Name, disabled.Disabled = "201", "205", true
		u := users{"201": user, "205": disabled, "203": {Name: "203"}}
		d := auth.NewDigest(config(u), both, false)
		nonce := parameter(d.Challenge(nil, nil)[0], "nonce")
		b.Run("Digest/"+name, func(b *testing.B) {
			compare(b, d, logins, func(name string, i int) string {
				return answer{
					username: name, pin: "wrong", realm: "lab.test", algorithm: "SHA-256", qop: "auth",
					Proof: rfc7616.Proof{Auth: true, Nonce: nonce, NC: fmt.Sprintf("%08x", i+1), CNonce: "c", Method: http.MethodPost, URI: target},
				}.header()
			})
		})
		b.Run("Basic/"+name, func(b *testing.B) {
			compare(b, auth.NewBasic(config(u)), logins, func(name string, _ int) string { return basic(name + ":wrong").Get("Authorization") })
		})
	}
}

// logins are names that are refused with a wrong PIN, each for another reason.
var logins = map[string]string{"wrong": "201", "unknown": "999", "disabled": "205", "noPIN": "203"}

// BenchmarkZ11Tokens does the same for tokens: a wrong one is one that nobody has.
func BenchmarkZ11Tokens(b *testing.B) {
	lab := newTokens()
	bearer := auth.NewBearer(config(people), lab)
	compare(b, bearer, map[string]string{
		"wrong": "cct_" + strings.Repeat("a", 39), "expired": lab.expired(), "disabled": lab.of("205"), "removed": lab.of("999"), "alias": lab.of("alice"),
		"mistyped": lab.of("201")[:42] + "b", "short": "x",
	}, func(text string, _ int) string { return "Bearer " + text })
}

func compare(b *testing.B, a auth.Authenticator, kinds map[string]string, header func(what string, i int) string) {
	b.Helper()
	for b.Loop() {
		took := map[string][]time.Duration{}
		for i := range tries {
			for kind, name := range kinds {
				r := request(overTLS, stranger, authorization(header(name, i)))
				r.RequestURI = target
				begin := time.Now()
				_, err := a.Authenticate(r)
				took[kind] = append(took[kind], time.Since(begin))
				if err != auth.ErrRefused { //nolint:errorlint // nothing may tell two refusals apart
					b.Fatalf("%s: %v", kind, err)
				}
			}
		}
		wrong := median(took["wrong"])
		for kind := range kinds {
			if kind != "wrong" {
				b.ReportMetric(100*(float64(median(took[kind]))/float64(wrong)-1), kind+"-%")
			}
		}
		b.ReportMetric(float64(wrong)/1000, "wrong-µs")
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}
