package v1_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestZ04RepeatedName: a body that could be read in two ways is refused.
func TestZ04RepeatedName(t *testing.T) {
	l := newLab(t, nil, nil)
	for _, body := range []string{
		`{"caller":"201","callee":"202","caller":"203"}`, `{"caller":"201","callee":"202","\u0063aller":"201"}`,
		`{"caller":"201","callee":"202","metadata":{"a":"caller","b":"","a":""}}`, `{"caller":[{"a":"a"},{"x":1,"x":[]}]}`,
	} {
		p := wantProblem(t, body, l.ask(t, "POST", "/v1/calls", as201, body), http.StatusUnprocessableEntity, "invalid-fields")
		if !strings.Contains(p.Detail, "twice") {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if n := len(l.Signals.Lines()); n != 0 {
		t.Errorf("%d calls", n)
	}
	l.place(t, as201, `{"caller":"201","callee":"202","metadata":{"caller":"caller","callee":"callee","a":"a"}}`)
}
