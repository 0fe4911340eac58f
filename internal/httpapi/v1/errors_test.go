package v1_test

import (
	"net/http"
	"strings"
	"testing"

	"callcontroller/api"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/policy"
)

const plain = `{"caller":"201","callee":"202"}`

// TestProblems: everything that is wrong is a problem with its status, and nothing is
// called.
func TestProblems(t *testing.T) {
	l := newLab(t, nil, nil)
	for _, tt := range []struct {
		method, target, body string
		status               int
		name, detail         string
	}{
		{"POST", "/v1/calls", `{"caller":"201","callee":"202","colour":"red"}`, 422, "invalid-fields", "body.colour"},
		{"POST", "/v1/calls", `{"caller":"201","callee":"202","Caller":"203"}`, 422, "invalid-fields", "body.Caller"},
		{"POST", "/v1/calls", `{"caller":"201"}`, 422, "invalid-fields", "callee"},
		{"POST", "/v1/calls", `{"caller":"","callee":"202"}`, 422, "invalid-fields", "body.caller"},
		{"POST", "/v1/calls", `{"caller":201,"callee":"202"}`, 422, "invalid-fields", "body.caller"},
		{"POST", "/v1/calls", `{"caller":"201","callee":"202","method":"fax"}`, 422, "invalid-fields", "body.method"},
		{"POST", "/v1/calls", `{"caller":"201","callee":"202","ring_timeout":9223372037}`, 422, "invalid-fields", "body.ring_timeout"},
		{"POST", "/v1/calls", `{"caller":"201","callee":"202","ring_timeout":-1}`, 422, "invalid-fields", "body.ring_timeout"},
		{"POST", "/v1/calls", `[]`, 422, "invalid-fields", "body"},
		{"POST", "/v1/calls", `{"caller":"201"`, 400, "invalid", "body"},
		{"POST", "/v1/calls", plain + plain, 400, "invalid", "body"},
		{"POST", "/v1/calls", ``, 400, "invalid", "body"},
		{"POST", "/v1/calls", `{"caller":"2 1","callee":"202"}`, 400, "invalid", "calling party"},
		{"POST", "/v1/calls", `{"caller":"201","callee":"x@evil.test"}`, 403, "denied", "evil.test"},
		{"POST", "/v1/calls?x=1", plain, 422, "invalid-fields", "query.x"},
		{"POST", "/v1/calls/none/transfer", `{"target":"203","replaces":"both"}`, 422, "invalid-fields", "body.replaces"},
		{"POST", "/v1/calls/none/transfer", `{"target":"203"}`, 404, "not-found", "none"},
		{"POST", "/v1/calls/none/hold", ``, 404, "not-found", "none"},
		{"GET", "/v1/calls/none", ``, 404, "not-found", "none"},
		{"GET", "/v1/calls/a%2Fb", ``, 404, "not-found", "a/b"},
		{"GET", "/v1/calls/", ``, 404, "not-found", "path"},
		{"GET", "/v1//calls", ``, 404, "not-found", "path"},
		{"GET", "/v1/calls/../calls", ``, 404, "not-found", "path"},
		{"GET", "/v1/nothing", ``, 404, "not-found", "path"},
		{"PUT", "/v1/calls", plain, 405, "method-not-allowed", "POST"},
		{"GET", "/v1/calls:check", ``, 405, "method-not-allowed", "POST"},
		{"POST", "/openapi.yaml", ``, 405, "method-not-allowed", "GET"},
		{"POST", "/v1/calls", `"` + strings.Repeat("x", httpapi.MaxBody) + `"`, 413, "too-large", "64 KiB"},
	} {
		what := tt.method + " " + tt.target + " " + tt.body[:min(len(tt.body), 80)]
		w := l.ask(t, tt.method, tt.target, as201, tt.body)
		if p := wantProblem(t, what, w, tt.status, tt.name); !strings.Contains(p.Detail, tt.detail) {
			t.Errorf("%s: the detail is %q, want %q in it", what, p.Detail, tt.detail)
		}
		if allow := w.Header().Get("Allow"); (allow != "") != (tt.status == 405) {
			t.Errorf("%s: Allow %q", what, allow)
		}
	}
	if n := len(l.Signals.Lines()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// TestR02BodyOfUnknownLength: 413 also when the length is not told.
func TestR02BodyOfUnknownLength(t *testing.T) {
	l := newLab(t, nil, nil)
	w := l.ask(t, "POST", "/v1/calls", as201, strings.Repeat("x", httpapi.MaxBody+1), func(r *http.Request) { r.ContentLength = -1 })
	wantProblem(t, "chunked", w, http.StatusRequestEntityTooLarge, "too-large")
}

// TestMediaTypes: a body has to be JSON, and has to say so.
func TestMediaTypes(t *testing.T) {
	l := newLab(t, nil, nil)
	for mediaType, status := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON": 201, "": 415, "text/plain": 415,
		"application/x-www-form-urlencoded": 415, "application/x+json": 415, "json": 415,
	} {
		w := l.ask(t, "POST", "/v1/calls", as201, plain, func(r *http.Request) { r.Header["Content-Type"] = []string{mediaType} })
		if w.Code != status {
			t.Errorf("%q: %d, want %d", mediaType, w.Code, status)
		}
	}
	w := l.ask(t, "GET", "/v1/calls", as201, "", func(r *http.Request) { r.Header.Set("Accept", "json, text/html") })
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("the answer is %q", got)
	}
}

// TestNoPINInProblems: what is repeated of a wrong request has no PIN in it.
func TestNoPINInProblems(t *testing.T) {
	l := newLab(t, nil, nil)
	for _, body := range []string{
		`{"caller":"201","callee":"202","conference_pin":471100}`, `{"caller":"201","callee":"202","conference_pin":"` + strings.Repeat("471100", 20) + `"}`,
		`{"caller":"201","callee":"202","conferencepin":"471100"}`, `{"callee":"202","conference_pin":"471100"}`, `{"caller":"201","conference_pin":"471100"`,
		`"471100"`, `["471100"]`, `{"caller":"201","callee":"202","conference_pin":"471100","ring_timeout":1e3}`, `{"caller":"201","callee":"202","conference_pin":"471100\n"}`,
	} {
		w := l.ask(t, "POST", "/v1/calls", as201, body)
		if w.Code < 400 || strings.Contains(w.Body.String(), "471100") {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// TestR11LimitsAndDraining: Retry-After and the rule are told.
func TestR11LimitsAndDraining(t *testing.T) {
	l := newLab(t, func(c *control.Config) {
		c.Policy = policy.New(policy.Config{Default: policy.Set{AtOnce: 1}})
	}, nil)
	l.place(t, as201, plain)
	w := l.ask(t, "POST", "/v1/calls", as201, plain)
	if p := wantProblem(t, "limit", w, http.StatusTooManyRequests, "limited"); p.Rule == "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%v %+v", w.Header(), p)
	}
	if c := read[api.Check](t, l.ask(t, "POST", "/v1/calls:check", as201, plain), http.StatusOK); !c.Allowed {
		t.Errorf("a check counts in no limit: %+v", c)
	}
	l.Drain()
	w = l.ask(t, "POST", "/v1/calls", as202, `{"caller":"202","callee":"201"}`)
	if wantProblem(t, "draining", w, http.StatusServiceUnavailable, "exhausted"); w.Header().Get("Retry-After") != "10" {
		t.Errorf("%v", w.Header())
	}
}

// TestLogin: without credentials there is the challenge, whatever the path; the document
// needs none.
func TestLogin(t *testing.T) {
	l := newLab(t, nil, nil)
	for _, target := range []string{"/v1/calls", "/v1/nothing", "/v1/calls/x/y/z"} {
		for _, as := range []string{"", "201:wrong", "nobody:1"} {
			w := l.ask(t, "GET", target, as, "")
			wantProblem(t, target+" "+as, w, http.StatusUnauthorized, "unauthorized")
			if n := len(w.Header().Values("WWW-Authenticate")); n != 3 {
				t.Errorf("%s: %d challenges", target, n)
			}
		}
	}
	for range 60 {
		l.ask(t, "GET", "/v1/calls", "201:wrong", "")
	}
	w := l.ask(t, "GET", "/v1/calls", as201, "")
	if wantProblem(t, "too many", w, http.StatusTooManyRequests, "limited"); w.Header().Get("Retry-After") == "" {
		t.Errorf("%v", w.Header())
	}
	insecure := func(r *http.Request) { r.TLS = nil }
	w = l.ask(t, "GET", "/v1/calls", as202, "", insecure)
	if wantProblem(t, "Basic over HTTP", w, http.StatusUnauthorized, "unauthorized"); len(w.Header().Values("WWW-Authenticate")) != 2 {
		t.Errorf("Basic is offered over HTTP: %v", w.Header())
	}
	for path, mediaType := range map[string]string{"/openapi.json": "application/openapi+json", "/openapi.yaml": "application/openapi+yaml"} {
		w := l.ask(t, "GET", path, "", "", insecure)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != mediaType || !strings.Contains(w.Body.String(), "placeCall") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

// TestZ13PageOfAnother: what stands before the interface answers in its form, too.
func TestZ13PageOfAnother(t *testing.T) {
	l := newLab(t, nil, nil)
	w := l.ask(t, "POST", "/v1/calls", as201, plain, func(r *http.Request) { r.Header.Set("Origin", "https://evil.test") })
	wantProblem(t, "another origin", w, http.StatusForbidden, "denied")
	if n := len(l.Signals.Lines()); n != 0 {
		t.Errorf("%d calls", n)
	}
}
