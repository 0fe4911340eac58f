package v1_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/httpapi"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

// tokens implements auth.Tokens: what is a token says itself what it is, such as
// "201+calls:read".
type tokens struct{}

var scopes = []token.Scope{
	0, token.CallsRead, token.CallsWrite, token.CallsRead | token.CallsWrite,
	token.Admin, token.CallsRead | token.Admin, token.CallsWrite | token.Admin, token.CallsRead | token.CallsWrite | token.Admin,
}

// tokenOf is the token of an agent with these scopes.
func tokenOf(agent string, s token.Scope) string { return agent + "+" + strings.Join(s.Split(), "+") }

func (tokens) Find(hash token.Hash) (token.Token, bool) {
	for _, agent := range []string{"", "201", "202"} {
		for _, s := range scopes {
			if token.HashOf(secret.New(tokenOf(agent, s))) == hash {
				return token.Token{ID: "id-" + agent + s.String(), Agent: agent, Scopes: s}, true
			}
		}
	}
	return token.Token{}, false
}

// bearing sends a token.
func bearing(text string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }
}

// as are credentials of users of the lab.
const (
	as201 = "201:1234"
	as202 = "202:5678"
)

// lab is the whole HTTP side of a lab. Peers in 10/8 are trusted.
type lab struct {
	*controltest.Lab
	handler http.Handler
	openapi *huma.OpenAPI
}

func newLab(t *testing.T, change func(*control.Config), archive v1.Archive) *lab {
	t.Helper()
	l := &lab{Lab: controltest.New(t, change), openapi: v1.OpenAPI()}
	c := auth.Config{Realm: controltest.Domain, Users: controltest.People(), Guard: auth.NewGuard(60)}
	chain := auth.Chain{
		auth.NewTrusted([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}), auth.NewBearer(c, tokens{}),
		auth.NewDigest(c, []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5}, false), auth.NewBasic(c),
	}
	h, err := v1.New(v1.Config{Control: l, Auth: chain, Keys: v1.NewMemoryKeys(1 << 20), Archive: archive, Ladder: ladders{}})
	if err != nil {
		t.Fatal(err)
	}
	l.handler = httpapi.NewHandler(httpapi.Config{V1: h})
	return l
}

// ask sends a request over TLS, with JSON if there is a body, and holds the answer to
// the OpenAPI document.
func (l *lab) ask(t *testing.T, method, target, userinfo, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "https://pbx.test"+target, strings.NewReader(body))
	r.RemoteAddr, r.TLS = "192.0.2.7:40000", &tls.ConnectionState{}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if user, pin, ok := strings.Cut(userinfo, ":"); ok {
		r.SetBasicAuth(user, pin)
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	l.holdToContract(t, method, r.URL.Path, w)
	return w
}

// holdToContract checks that the document has the answer: its status, type and body. What
// has no operation has to be a problem.
func (l *lab) holdToContract(t *testing.T, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	if strings.HasPrefix(path, "/openapi.") {
		return
	}
	mediaType, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s %d: Cache-Control %q", method, path, w.Code, w.Header().Get("Cache-Control"))
	}
	schema := l.openapi.Components.Schemas.Map()["Problem"]
	if op := l.operation(method, path); op != nil {
		provoked.Store(fmt.Sprint(method, " ", op.Path, " ", w.Code), true)
		response := op.Responses[strconv.Itoa(w.Code)]
		if response == nil {
			t.Errorf("%s %s: the document has no status %d", method, path, w.Code)
			return
		}
		if len(response.Content) == 0 {
			if w.Body.Len() != 0 {
				t.Errorf("%s %s %d: a body that the document has not: %s", method, path, w.Code, w.Body)
			}
			return
		}
		if response.Content[mediaType] == nil {
			t.Errorf("%s %s %d: the document has no %q", method, path, w.Code, mediaType)
			return
		}
		schema = response.Content[mediaType].Schema
	} else if mediaType != httpapi.ProblemType {
		t.Errorf("%s %s %d: the answer is %q", method, path, w.Code, mediaType)
	}
	if mediaType == textType {
		return
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		t.Errorf("%s %s %d: %v in %s", method, path, w.Code, err, w.Body)
		return
	}
	var result huma.ValidateResult
	huma.Validate(l.openapi.Components.Schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
	if len(result.Errors) > 0 {
		t.Errorf("%s %s %d: %v in %s", method, path, w.Code, result.Errors, w.Body)
	}
}

// operation finds the operation of a request in the document.
func (l *lab) operation(method, path string) *huma.Operation {
	item := l.openapi.Paths[path]
	if rest, ok := strings.CutPrefix(path, "/v1/calls/"); ok {
		id, verb, _ := strings.Cut(rest, "/")
		if item = l.openapi.Paths[strings.TrimSuffix("/v1/calls/{id}/"+verb, "/")]; id == "" {
			return nil
		}
	}
	if item == nil {
		return nil
	}
	return map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete}[method]
}

// read reads an answer with that status, strictly.
func read[T any](t *testing.T, w *httptest.ResponseRecorder, status int) T {
	t.Helper()
	var v T
	if w.Code != status {
		t.Fatalf("the answer is %d %s, want %d", w.Code, w.Body, status)
	}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

// wantProblem checks that an answer is a problem of that status and type.
func wantProblem(t *testing.T, what string, w *httptest.ResponseRecorder, status int, name string) api.Problem {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s: the answer is %d %s, want %d", what, w.Code, w.Body, status)
		return api.Problem{}
	}
	p := read[api.Problem](t, w, status)
	if p.Type != "urn:callcontroller:problem:"+name || p.Status != status || p.Title == "" || p.Detail == "" || w.Header().Get("Content-Type") != httpapi.ProblemType {
		t.Errorf("%s: %s %+v, want %s", what, w.Header().Get("Content-Type"), p, name)
	}
	return p
}

// place places a call and gives it.
func (l *lab) place(t *testing.T, userinfo, body string) api.Call {
	t.Helper()
	return read[api.Call](t, l.ask(t, "POST", "/v1/calls", userinfo, body), http.StatusCreated)
}
