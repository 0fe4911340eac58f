package v1_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"callcontroller/api"
	"callcontroller/internal/call"
)

// TestPlaceAndSee: the answer comes at once, with a path that shows the call as it goes
// on, and a call that is over is not there.
func TestPlaceAndSee(t *testing.T) {
	l := newLab(t, nil, nil)
	w := l.ask(t, "POST", "/v1/calls", as201, `{"caller":"201","callee":"202","method":"refer","subject":"A & B","conference_pin":"4711",
		"metadata":{"ticket":"7"},"ring_timeout":30,"caller_id":{"caller":"Your call"}}`)
	c := read[api.Call](t, w, http.StatusCreated)
	path := w.Header().Get("Location")
	if path != "/v1/calls/"+c.ID || c.State != "calling_caller" || c.Method != "refer" || c.Agent != "201" || c.Subject != "A & B" || c.Metadata["ticket"] != "7" ||
		c.Caller != (api.Party{Address: "201@example.com", User: "201"}) || c.Callee.Address != "202@example.com" || c.CreatedAt.IsZero() || c.Outcome != nil {
		t.Errorf("%s: %+v", path, c)
	}
	line := l.Signals.Last()
	if o := line.Order; o.ConfPIN != "4711" || o.RingTimeout.Seconds() != 30 || o.ShownTo(call.Caller) != "Your call" || o.Fallback {
		t.Errorf("the order is %+v", o)
	}
	line.AnswerOn(call.Caller)
	w = l.ask(t, "GET", path, as201, "")
	c = read[api.Call](t, w, http.StatusOK)
	if c.State != "calling_callee" && c.State != "caller_answered" || len(c.Legs) != 1 || c.Legs[0].Role != "caller" || c.Legs[0].State != "confirmed" || c.Legs[0].SIPCallID != "sip-1@lab" {
		t.Errorf("%+v", c)
	}
	if strings.Contains(w.Body.String(), "4711") {
		t.Error("the PIN of the conference is in the answer")
	}
	if w := l.ask(t, "DELETE", path, as201, ""); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("DELETE: %d %s", w.Code, w.Body)
	}
	wantProblem(t, "over", l.ask(t, "GET", path, as201, ""), http.StatusNotFound, "not-found")
	wantProblem(t, "over", l.ask(t, "DELETE", path, as201, ""), http.StatusNotFound, "not-found")
}

// TestInviteHoldTransfer: what can be done with a call that the server stays in.
func TestInviteHoldTransfer(t *testing.T) {
	l := newLab(t, nil, nil)
	c := l.place(t, as201, `{"caller":"201","callee":"202","method":"invite"}`)
	path := "/v1/calls/" + c.ID
	wantProblem(t, "hold too early", l.ask(t, "POST", path+"/hold", as201, ""), http.StatusConflict, "conflict")
	wantProblem(t, "transfer too early", l.ask(t, "POST", path+"/transfer", as201, `{"target":"203"}`), http.StatusConflict, "conflict")
	line := l.Signals.Last()
	line.AnswerOn(call.Caller)
	line.AnswerOn(call.Callee)
	c = read[api.Call](t, l.ask(t, "GET", path, as201, ""), http.StatusOK)
	if c.State != "connected" || c.ConnectedAt == nil || len(c.Legs) != 2 || c.Legs[1].Role != "callee" || c.Legs[0].Held {
		t.Fatalf("%+v", c)
	}
	c = read[api.Call](t, l.ask(t, "POST", path+"/hold", as201, ""), http.StatusAccepted)
	if !c.Legs[0].Held || !c.Legs[1].Held {
		t.Errorf("held: %+v", c.Legs)
	}
	wantProblem(t, "hold twice", l.ask(t, "POST", path+"/hold", as201, ""), http.StatusConflict, "conflict")
	c = read[api.Call](t, l.ask(t, "POST", path+"/resume", as201, ""), http.StatusAccepted)
	if c.Legs[0].Held {
		t.Errorf("resumed: %+v", c.Legs)
	}
	l.Signals.Hook = func(e call.Effect) {
		if i, ok := e.(call.Invite); ok {
			go line.ProgressOn(i.Leg, 180, "Ringing")
		}
	}
	c = read[api.Call](t, l.ask(t, "POST", path+"/transfer", as201, `{"target":"203","replaces":"callee"}`), http.StatusAccepted)
	if c.Transfer == nil || !c.Transfer.Ringing || c.Transfer.Replaces != "callee" || c.Transfer.Target.Address != "203@example.com" || len(c.Legs) != 3 || c.Legs[2].Role != "target" {
		t.Errorf("%+v %+v", c.Transfer, c.Legs)
	}
	line.AnswerOn(call.Target)
	c = read[api.Call](t, l.ask(t, "GET", path, as201, ""), http.StatusOK)
	if c.Callee.Address != "203@example.com" || c.Transfer != nil {
		t.Errorf("%+v", c)
	}
}

// TestListPages: pages follow each other without a gap or a call twice, also when calls
// end meanwhile, and filters pick.
func TestListPages(t *testing.T) {
	l := newLab(t, nil, nil)
	var want []string
	for i := range 7 {
		want = append(want, l.place(t, as201, `{"caller":"201","callee":"30`+strconv.Itoa(i)+`"}`).ID)
	}
	l.place(t, as202, `{"caller":"202","callee":"201"}`)
	seen := map[string]bool{}
	target, pages := "/v1/calls?limit=3", 0
	for next := "x"; next != ""; pages++ {
		page := read[api.Calls](t, l.ask(t, "GET", target, as201, ""), http.StatusOK)
		for _, c := range page.Calls {
			if seen[c.ID] || c.Agent != "201" {
				t.Errorf("%s comes twice, or is not his", c.ID)
			}
			seen[c.ID] = true
		}
		l.ask(t, "DELETE", "/v1/calls/"+page.Calls[len(page.Calls)-1].ID, as201, "")
		next = page.Next
		target = "/v1/calls?limit=3&cursor=" + next
	}
	if len(seen) != len(want) || pages != 3 {
		t.Errorf("%d calls on %d pages, want %d", len(seen), pages, len(want))
	}
}

// TestListFilters: what is asked for is picked, and what is no filter is refused.
func TestListFilters(t *testing.T) {
	l := newLab(t, nil, nil)
	l.place(t, as201, `{"caller":"201","callee":"302"}`)
	l.place(t, as201, `{"caller":"201","callee":"202","method":"invite"}`)
	l.Signals.Last().ProgressOn(call.Caller, 180, "Ringing")
	l.place(t, as202, `{"caller":"202","callee":"303"}`)
	trusted := func(r *http.Request) { r.RemoteAddr = "10.0.0.1:1" }
	for query, n := range map[string]int{
		"": 3, "?agent=202": 1, "?party=202": 2, "?party=303@example.com": 1, "?state=connected": 0, "?state=caller_ringing&agent=201": 1, "?limit=3": 3,
	} {
		if page := read[api.Calls](t, l.ask(t, "GET", "/v1/calls"+query, "", "", trusted), http.StatusOK); len(page.Calls) != n {
			t.Errorf("%q: %d calls, want %d", query, len(page.Calls), n)
		}
	}
	for _, query := range []string{"limit=0", "limit=501", "limit=x", "cursor=!", "cursor=eA", "state=rings", "stat=ended"} {
		p := wantProblem(t, query, l.ask(t, "GET", "/v1/calls?"+query, as201, ""), http.StatusUnprocessableEntity, "invalid-fields")
		if field, _, _ := strings.Cut(query, "="); len(p.Errors) != 1 || p.Errors[0].Location != "query."+field {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

// TestZ22CallsOfOthers: who has no part in a call is told that there is none, whatever he
// asks; trusted peers see all.
func TestZ22CallsOfOthers(t *testing.T) {
	l := newLab(t, nil, nil)
	path := "/v1/calls/" + l.place(t, as201, `{"caller":"201","callee":"202","method":"invite"}`).ID
	for _, tt := range [][3]string{{"GET", "", ""}, {"DELETE", "", ""}, {"POST", "/hold", ""}, {"POST", "/resume", ""}, {"POST", "/transfer", `{"target":"203"}`}} {
		wantProblem(t, tt[0]+tt[1], l.ask(t, tt[0], path+tt[1], as202, tt[2]), http.StatusNotFound, "not-found")
	}
	if page := read[api.Calls](t, l.ask(t, "GET", "/v1/calls", as202, ""), http.StatusOK); len(page.Calls) != 0 {
		t.Errorf("202 sees %+v", page)
	}
	wantProblem(t, "another agent", l.ask(t, "POST", "/v1/calls", as202, `{"caller":"202","callee":"203","agent":"201"}`), http.StatusForbidden, "not-agent")
	trusted := func(r *http.Request) { r.RemoteAddr = "10.0.0.1:1" }
	if c := read[api.Call](t, l.ask(t, "GET", path, "", "", trusted), http.StatusOK); c.Agent != "201" {
		t.Errorf("%+v", c)
	}
}

// TestCheck: whether a call may be placed is told, and none is.
func TestCheck(t *testing.T) {
	l := newLab(t, nil, nil)
	if c := read[api.Check](t, l.ask(t, "POST", "/v1/calls:check", as201, `{"caller":"201","callee":"202"}`), http.StatusOK); !c.Allowed || c.Reason != "" {
		t.Errorf("%+v", c)
	}
	if c := read[api.Check](t, l.ask(t, "POST", "/v1/calls:check", as201, `{"caller":"201","callee":"x@evil.test"}`), http.StatusOK); c.Allowed || !strings.Contains(c.Reason, "evil.test") {
		t.Errorf("%+v", c)
	}
	wantProblem(t, "invalid", l.ask(t, "POST", "/v1/calls:check", as201, `{"caller":"a b","callee":"202"}`), http.StatusBadRequest, "invalid")
	if n := len(l.Signals.Lines()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

type archive map[call.ID]api.Call

func (a archive) Find(_ context.Context, id call.ID) (api.Call, bool) {
	c, ok := a[id]
	return c, ok
}

// TestArchive: a call that is over is shown from the archive, to who may see it.
func TestArchive(t *testing.T) {
	l := newLab(t, nil, archive{"OLD": {ID: "OLD", State: "ended", Method: "refer", Agent: "201", Outcome: &api.Outcome{Result: "busy", FailedLeg: "callee", SIPCode: 486, EndedBy: "callee"}}})
	if c := read[api.Call](t, l.ask(t, "GET", "/v1/calls/OLD", as201, ""), http.StatusOK); c.Outcome.Result != "busy" {
		t.Errorf("%+v", c)
	}
	wantProblem(t, "another user", l.ask(t, "GET", "/v1/calls/OLD", as202, ""), http.StatusNotFound, "not-found")
}
