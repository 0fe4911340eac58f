package auth_test

import (
	"fmt"
	"net/http"
	"slices"
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
			compare(b, d, func(name string, i int) string {
				return answer{
					username: name, pin: "wrong", realm: "lab.test", algorithm: "SHA-256", qop: "auth",
					Proof: rfc7616.Proof{Auth: true, Nonce: nonce, NC: fmt.Sprintf("%08x", i+1), CNonce: "c", Method: http.MethodPost, URI: target},
				}.header()
			})
		})
		b.Run("Basic/"+name, func(b *testing.B) {
			compare(b, auth.NewBasic(config(u)), func(name string, _ int) string { return basic(name + ":wrong").Get("Authorization") })
		})
	}
}

func compare(b *testing.B, a auth.Authenticator, header func(name string, i int) string) {
	b.Helper()
	names := map[string]string{"wrong": "201", "unknown": "999", "disabled": "205", "noPIN": "203"}
	for b.Loop() {
		took := map[string][]time.Duration{}
		for i := range tries {
			for kind, name := range names {
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
		for kind := range names {
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
