package control_test

import (
	"slices"
	"testing"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/engine"
)

func beside(called string, change func(*control.PlaceRequest)) control.PlaceRequest {
	return request(func(r *control.PlaceRequest) {
		r.Called, r.Beside = called, true
		if change != nil {
			change(r)
		}
	})
}

// listed gives the calls that a principal sees.
func listed(t *testing.T, l *controltest.Lab, p auth.Principal, f control.Filter) []*engine.Running {
	t.Helper()
	list, err := l.Calls(t.Context(), p, f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestZ22CallsByName: a call is seen, and ended, by its agent, administrators and trusted
// networks; for others there is none.
func TestZ22CallsByName(t *testing.T) {
	l := controltest.New(t, nil)
	id := mustPlace(t, l, user201, beside("202", nil))
	for _, p := range []auth.Principal{user201, {Name: "202", Admin: true}, {Trusted: true}} {
		if r, err := l.Call(t.Context(), p, id); err != nil || r.ID() != id {
			t.Errorf("%+v: %v", p, err)
		}
		if n := len(listed(t, l, p, control.Filter{})); n != 1 {
			t.Errorf("%+v sees %d calls", p, n)
		}
	}
	for _, p := range []auth.Principal{{Name: "202"}, {}} {
		_, err := l.Call(t.Context(), p, id)
		wantError(t, err, call.Missing, "there is no call")
		wantError(t, l.Hangup(t.Context(), p, id), call.Missing, "there is no call")
		if n := len(listed(t, l, p, control.Filter{})); n != 0 {
			t.Errorf("%+v sees %d calls", p, n)
		}
	}
	_, err := l.Call(t.Context(), user201, "nothing")
	wantError(t, err, call.Missing, `"nothing"`)
	if err := l.Hangup(t.Context(), user201, id); err != nil || l.Engine.Len() != 0 {
		t.Errorf("%v, %d calls are left", err, l.Engine.Len())
	}
}

// TestCallsBesideEachOther: calls that are placed by name do not replace one another, nor
// what the old interface finds.
func TestCallsBesideEachOther(t *testing.T) {
	l := controltest.New(t, nil)
	first := mustPlace(t, l, user201, request(nil))
	second, third := mustPlace(t, l, user201, beside("202", nil)), mustPlace(t, l, user201, beside("203", nil))
	if n := l.Engine.Len(); n != 3 {
		t.Fatalf("%d calls live", n)
	}
	if r, ok := shown(t, l); !ok || r.ID != first {
		t.Errorf("the old interface shows another call")
	}
	filters := map[string]control.Filter{"all": {}, "party": {Party: "203"}, "address": {Party: "202@" + controltest.Domain}, "agent": {Agent: "202"}, "state": {State: call.CallingCaller}}
	want := map[string][]call.ID{"all": {first, second, third}, "party": {third}, "address": {first, second}, "agent": nil, "state": {first, second, third}}
	for name, f := range filters {
		var got []call.ID
		for _, r := range listed(t, l, user201, f) {
			got = append(got, r.ID())
		}
		slices.Sort(got)
		slices.Sort(want[name])
		if !slices.Equal(got, want[name]) {
			t.Errorf("%s: %q, want %q", name, got, want[name])
		}
	}
}

func TestWishesOfACall(t *testing.T) {
	l := controltest.New(t, nil)
	mustPlace(t, l, user201, beside("202", func(r *control.PlaceRequest) {
		r.Metadata, r.CallerShows, r.CalleeShows, r.Auto = map[string]string{"ticket": "4711"}, "Your call", "Support", true
	}))
	o := l.Signals.Last().Order
	if o.Metadata["ticket"] != "4711" || o.ShownTo(call.Caller) != "Your call" || o.ShownTo(call.Callee) != "Support" || o.ShownTo(call.Target) != "Support" || !o.Fallback || o.Placed == 0 {
		t.Errorf("%+v %+v", o, o.Wishes)
	}
	for what, change := range map[string]func(*control.PlaceRequest){
		"metadata name":  func(r *control.PlaceRequest) { r.Metadata = map[string]string{"a\nb": ""} },
		"is empty":       func(r *control.PlaceRequest) { r.Metadata = map[string]string{"": ""} },
		"metadata value": func(r *control.PlaceRequest) { r.Metadata = map[string]string{"a": string(make([]byte, 600))} },
		"shown to":       func(r *control.PlaceRequest) { r.CalleeShows = "a\r\nb" },
		"called party":   func(r *control.PlaceRequest) { r.CalleeRing = -1 },
		"duration":       func(r *control.PlaceRequest) { r.MaxDuration = -1 },
	} {
		_, err := l.Place(t.Context(), user201, beside("202", change))
		wantError(t, err, call.Invalid, what)
	}
	wantError(t, l.Check(t.Context(), user201, beside("x@evil.test", nil)), call.Denied, "evil.test")
	if err := l.Check(t.Context(), user201, beside("202", nil)); err != nil || len(l.Signals.Lines()) != 1 {
		t.Errorf("%v, %d calls", err, len(l.Signals.Lines()))
	}
}

// TestHoldAndTransferByName: what can be done with a call that is connected, and what not
// with others.
func TestHoldAndTransferByName(t *testing.T) {
	l := controltest.New(t, nil)
	id := mustPlace(t, l, user201, beside("202", func(r *control.PlaceRequest) { r.Method = control.MethodInvite }))
	_, err := l.Hold(t.Context(), user201, id, call.Caller, false)
	wantError(t, err, call.Conflict, "not connected")
	_, err = l.TransferCall(t.Context(), user201, id, call.Callee, "203")
	wantError(t, err, call.Conflict, "not connected")
	line := l.Signals.Last()
	line.AnswerOn(call.Caller)
	line.AnswerOn(call.Callee)
	running, err := l.Call(t.Context(), user201, id)
	if err != nil || running.Snapshot().State != call.Connected || running.Snapshot().Connected == 0 {
		t.Fatalf("%v %+v", err, running)
	}
	_, err = l.Hold(t.Context(), user201, id, call.Caller, true)
	wantError(t, err, call.Conflict, "agree on something else")
	if held, err := l.Hold(t.Context(), user201, id, call.Caller, false); err != nil || held != running {
		t.Fatal(held, err)
	}
	if d := running.Snapshot().Dialogs(); len(d) != 2 || !d[0].Held || !d[1].Held {
		t.Errorf("%+v", d)
	}
	_, err = l.TransferCall(t.Context(), user201, id, call.Callee, "x@evil.test")
	wantError(t, err, call.Denied, "evil.test")
	done := make(chan error)
	go func() {
		_, err := l.TransferCall(t.Context(), user201, id, call.Callee, "203")
		done <- err
	}()
	l.Await(t, running, func(c *call.Call) bool { return c.State == call.Transferring })
	line.RejectOn(call.Target, 486, "Busy Here")
	wantError(t, <-done, call.Conflict, "486")
}
