package control_test

import (
	"reflect"
	"testing"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/token"
)

// needs is what each use case asks of a token, once more.
var needs = map[string]token.Scope{
	"Place": token.CallsWrite, "Check": token.CallsWrite, "Hangup": token.CallsWrite, "Transfer": token.CallsWrite, "TransferCall": token.CallsWrite,
	"Hold": token.CallsWrite, "Call": token.CallsRead, "Calls": token.CallsRead, "Status": token.CallsRead,
}

// TestZ22EveryUseCaseAsksForItsScope: each method that takes a principal refuses one whose
// token has all scopes but the right one, before it looks at anything else, and lets one
// pass that has it.
func TestZ22EveryUseCaseAsksForItsScope(t *testing.T) {
	l := controltest.New(t, nil)
	value, every := reflect.ValueOf(l.Control), token.CallsRead|token.CallsWrite|token.Admin
	found := 0
	for i := range value.NumMethod() {
		name, method := value.Type().Method(i).Name, value.Method(i)
		if method.Type().NumIn() < 2 || method.Type().In(1) != reflect.TypeFor[auth.Principal]() {
			continue
		}
		found++
		need := needs[name]
		if need == 0 {
			t.Errorf("%s: which scope does it need?", name)
		}
		refused := call.KindOf(ask(t, method, auth.Principal{Name: "201", Admin: true, Token: "x", Scopes: every &^ need}))
		if refused != call.OutOfScope {
			t.Errorf("%s without %s: kind %d", name, need, refused)
		}
		for _, p := range []auth.Principal{{Name: "201", Token: "x", Scopes: need}, {Name: "201"}, {Trusted: true}} {
			if err := ask(t, method, p); err != nil && call.KindOf(err) == call.OutOfScope {
				t.Errorf("%s as %+v: %v", name, p, err)
			}
		}
	}
	if found != len(needs) || len(l.Signals.Lines()) != 0 {
		t.Errorf("%d use cases, want %d; %d calls", found, len(needs), len(l.Signals.Lines()))
	}
}

// ask calls a method with nothing but a principal, and gives its error.
func ask(t *testing.T, method reflect.Value, p auth.Principal) error {
	t.Helper()
	args := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(p)}
	for i := 2; i < method.Type().NumIn(); i++ {
		args = append(args, reflect.Zero(method.Type().In(i)))
	}
	out := method.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// TestZ22ScopesAreNoRights: a token of somebody else sees nothing, whatever its scopes.
func TestZ22ScopesAreNoRights(t *testing.T) {
	l := controltest.New(t, nil)
	id := mustPlace(t, l, user201, beside("202", nil))
	other := auth.Principal{Name: "202", Token: "x", Scopes: token.CallsRead | token.CallsWrite | token.Admin}
	wantError(t, l.Hangup(t.Context(), other, id), call.Missing, "there is no call")
	if n := len(listed(t, l, other, control.Filter{})); n != 0 {
		t.Errorf("%d calls", n)
	}
	_, err := l.Place(t.Context(), other, request(nil))
	wantError(t, err, call.NotAgent, "Agent")
}
