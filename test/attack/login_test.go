package attack

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/icholy/digest"
)

func z08TollFraud(w *world) {
	for _, number := range []string{"0012345", "%2B881234", "1900555", "0900-1", "0-0-1", "(00)1", "1.9.0.0.1"} {
		w.refused(as201, "/callcontroller/201/"+number, nil, 403)
		w.refused(as201, portal+"?action=transfer&target="+number, nil, 403, 406)
	}
}

// z08TooMany places more calls than 202 may. It comes last: the first two are placed.
func z08TooMany(w *world) {
	for i := range 5 {
		want := http.StatusTooManyRequests
		if i < 2 {
			want = http.StatusOK
		}
		got := w.want(request{method: http.MethodPost, target: fmt.Sprint("/callcontroller/202/30", i), as: as202}, want)
		if want != http.StatusOK && (got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "policy.users.202.calls_per_minute")) {
			w.Errorf("%v %s", got.header, got.body)
		}
	}
}

// z09Replay takes one good answer to a challenge, and sends it in every way in which it
// is not good.
func z09Replay(w *world) {
	const target = "/callcontroller/201/999?agent=201"
	challenge := func() *digest.Challenge {
		fields := w.send(request{method: http.MethodGet, target: target}).header.Values("WWW-Authenticate")
		c, err := digest.ParseChallenge(fields[0])
		if err != nil {
			w.Fatal(err)
		}
		return c
	}
	answer := func(c *digest.Challenge, method, uri string, count int) string {
		made, err := digest.Digest(c, digest.Options{Method: method, URI: uri, Username: "201", Password: pin201, Count: count, Cnonce: "c"})
		if err != nil {
			w.Fatal(err)
		}
		return "Authorization: " + made.String()
	}
	c := challenge()
	good := answer(c, http.MethodGet, target, 1)
	w.want(request{method: http.MethodGet, target: target, fields: []string{good}}, 200)
	foreign := *c
	foreign.Nonce = strings.Repeat("A", len(c.Nonce))
	for what, r := range map[string]request{
		"again":                  {method: http.MethodGet, target: target, fields: []string{good}},
		"another method":         {method: http.MethodPost, target: target, fields: []string{answer(c, http.MethodGet, target, 2)}},
		"another target":         {method: http.MethodPost, target: "/callcontroller/201/202", fields: []string{answer(c, http.MethodPost, target, 3)}},
		"another query":          {method: http.MethodPost, target: target + "&timeout=1", fields: []string{answer(c, http.MethodPost, target, 4)}},
		"another server's nonce": {method: http.MethodGet, target: target, fields: []string{answer(&foreign, http.MethodGet, target, 1)}},
	} {
		w.Log(what)
		if got := w.want(r, 401); strings.Contains(fmt.Sprint(got.header), "stale=true") {
			w.Errorf("%s: stale", what)
		}
	}
}

// z10Guessing tries a thousand PINs, and then the right one: the guesser is slowed down,
// and the user, who has logged in from here before, is not.
func z10Guessing(w *world) {
	statuses := map[int]int{}
	for i := range 1000 {
		got := w.send(request{plain: false, method: http.MethodGet, target: "/callcontroller/204/202", as: fmt.Sprint("204:", i)})
		statuses[got.status]++
	}
	w.Logf("1000 wrong PINs: %v", statuses)
	if statuses[http.StatusUnauthorized] > 100 || statuses[http.StatusTooManyRequests] < 900 || len(statuses) > 2 {
		w.Errorf("1000 wrong PINs: %v", statuses)
	}
	w.want(request{method: http.MethodGet, target: path, as: as201}, http.StatusOK)
}
