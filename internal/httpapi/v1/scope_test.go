package v1_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/token"
)

// bodies are what the operations with a body are sent.
var bodies = map[string]string{"placeCall": plain, "checkCall": plain, "transferCall": `{"target":"203"}`}

// TestZ22ScopesOfEveryOperation: each operation of the document names the scope that a token
// has to have, and takes no token without it, whatever else that has.
func TestZ22ScopesOfEveryOperation(t *testing.T) {
	l := newLab(t, nil, nil)
	id := l.place(t, as201, `{"caller":"201","callee":"202","method":"invite"}`).ID
	line := l.Signals.Last()
	line.AnswerOn(call.Caller)
	line.AnswerOn(call.Callee)
	l.Signals.Hook = func(e call.Effect) { // the target's phone refuses at once
		if i, ok := e.(call.Invite); ok && i.Leg == call.Target {
			go line.RejectOn(i.Leg, 486, "Busy Here")
		}
	}
	operations := 0
	for path := range l.openapi.Paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if op := l.operation(method, path); op != nil {
				operations++
				l.tryScopes(t, method, path, op, id)
			}
		}
	}
	if operations < 8 {
		t.Errorf("%d operations", operations)
	}
}

// tryScopes asks for an operation with every token.
func (l *lab) tryScopes(t *testing.T, method, path string, op *huma.Operation, id string) {
	t.Helper()
	if op.OperationID == "endCall" {
		id = "gone" // The others need the call.
	}
	need, target := scopeOf(t, op.Security), strings.Replace(path, "{id}", id, 1)
	for _, agent := range []string{"201", ""} {
		for _, s := range scopes {
			what := op.OperationID + " by " + tokenOf(agent, s)
			w := l.ask(t, method, target, "", bodies[op.OperationID], bearing(tokenOf(agent, s)))
			challenge := w.Header().Get("WWW-Authenticate")
			if s.Has(need) {
				if w.Code == http.StatusUnauthorized || challenge != "" || strings.Contains(w.Body.String(), "scope") {
					t.Errorf("%s: %d %s", what, w.Code, w.Body)
				}
				continue
			}
			wantProblem(t, what, w, http.StatusForbidden, "insufficient-scope")
			if want := `Bearer error="insufficient_scope", scope="` + need.String() + `"`; challenge != want {
				t.Errorf("%s: the challenge is %q, want %q", what, challenge, want)
			}
		}
	}
}

// scopeOf reads the scope from the three ways of an operation.
func scopeOf(t *testing.T, security []map[string][]string) (s token.Scope) {
	t.Helper()
	i := slices.IndexFunc(security, func(way map[string][]string) bool { return way["bearer"] != nil })
	if i < 0 {
		t.Fatalf("no bearer among %v", security)
	}
	for _, name := range security[i]["bearer"] {
		one, err := token.ParseScope(name)
		if err != nil {
			t.Fatal(err)
		}
		s |= one
	}
	if s == 0 {
		t.Error("an operation without a scope")
	}
	return s
}

// TestZ22TokensSeeWhatTheirUserSees: the scope admin is for a token that is nobody's, and
// for one of an administrator.
func TestZ22TokensSeeWhatTheirUserSees(t *testing.T) {
	l := newLab(t, nil, nil)
	id := l.place(t, as201, plain).ID
	every := scopes[len(scopes)-1]
	for text, status := range map[string]int{
		tokenOf("201", every): 200, tokenOf("201", token.CallsRead): 200, tokenOf("202", every): 404, tokenOf("202", token.CallsRead): 404,
		tokenOf("", token.CallsRead|token.Admin): 200,
	} {
		if w := l.ask(t, "GET", "/v1/calls/"+id, "", "", bearing(text)); w.Code != status {
			t.Errorf("%s: %d %s", text, w.Code, w.Body)
		}
	}
	w := l.ask(t, "POST", "/v1/calls", "", `{"caller":"203","callee":"202","agent":"202"}`, bearing(tokenOf("", token.CallsWrite|token.Admin)))
	if c := read[api.Call](t, w, http.StatusCreated); c.Agent != "202" {
		t.Errorf("%+v", c)
	}
	w = l.ask(t, "POST", "/v1/calls", "", `{"caller":"203","callee":"202","agent":"202"}`, bearing(tokenOf("201", every)))
	wantProblem(t, "agent", w, http.StatusForbidden, "not-agent")
}

// TestKeysOfTokens: a token shares the keys of its user, but not to get an answer that its
// scopes do not allow; one that is nobody's has its own, which are not those of trusted
// peers.
func TestKeysOfTokens(t *testing.T) {
	l := newLab(t, nil, nil)
	keyed := func(r *http.Request) { r.Header.Set("Idempotency-Key", `"k"`) }
	trusted := func(r *http.Request) { r.RemoteAddr = "10.1.2.3:1" }
	first := read[api.Call](t, l.ask(t, "POST", "/v1/calls", as201, plain, keyed), http.StatusCreated)
	again := read[api.Call](t, l.ask(t, "POST", "/v1/calls", "", plain, keyed, bearing(tokenOf("201", token.CallsWrite))), http.StatusCreated)
	if again.ID != first.ID {
		t.Error("the user's key is not the token's")
	}
	w := l.ask(t, "POST", "/v1/calls", "", plain, keyed, bearing(tokenOf("201", token.CallsRead)))
	wantProblem(t, "a reader", w, http.StatusForbidden, "insufficient-scope")
	byPeer := read[api.Call](t, l.ask(t, "POST", "/v1/calls", "", plain, keyed, trusted), http.StatusCreated)
	nobodys := read[api.Call](t, l.ask(t, "POST", "/v1/calls", "", plain, keyed, bearing(tokenOf("", token.CallsWrite|token.Admin))), http.StatusCreated)
	if byPeer.ID == nobodys.ID || byPeer.ID == first.ID || nobodys.ID == first.ID {
		t.Error("keys are shared")
	}
}

// TestTokenThatIsNotValid: the challenge names Bearer to who came with one, and to nobody
// else.
func TestTokenThatIsNotValid(t *testing.T) {
	l := newLab(t, nil, nil)
	w := l.ask(t, "GET", "/v1/calls", "", "", bearing("cct_wrong"))
	wantProblem(t, "wrong", w, http.StatusUnauthorized, "unauthorized")
	if got := w.Header().Values("WWW-Authenticate"); len(got) != 4 || got[0] != `Bearer realm="example.com", error="invalid_token"` {
		t.Errorf("%q", got)
	}
	for _, target := range []string{"/v1/calls?access_token=" + tokenOf("201", token.CallsRead), "/v1/calls"} {
		w = l.ask(t, "GET", target, "", "")
		if got := w.Header().Values("WWW-Authenticate"); w.Code != http.StatusUnauthorized || len(got) != 3 || strings.Contains(strings.Join(got, ""), "Bearer") {
			t.Errorf("%s: %d %q", target, w.Code, got)
		}
	}
}
