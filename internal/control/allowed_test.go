package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/policy"
)

func pattern(t *testing.T, text string) policy.Pattern {
	t.Helper()
	p, err := policy.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestZ08PolicyBeforeAnythingLeaves: who may be called and who may be made to ring, for
// the agent whoever asks, also as the target of a transfer.
func TestZ08PolicyBeforeAnythingLeaves(t *testing.T) {
	rules := policy.Set{
		Called:  policy.Dial{Deny: []policy.Pattern{pattern(t, "00*"), pattern(t, "*@partner.test")}},
		Calling: policy.Dial{Allow: []policy.Pattern{pattern(t, "2??")}},
	}
	l := controltest.New(t, func(c *control.Config) {
		c.Policy = policy.New(policy.Config{Users: map[string]*policy.Set{"201": &rules}})
	})
	for _, tt := range []struct{ calling, called, rule string }{
		{"201", "0044", "policy.users.201.called.deny 00*"},
		{"201", "(00)-44", "policy.users.201.called.deny 00*"},
		{"201", "x@" + controltest.Partner, "policy.users.201.called.deny *@partner.test"},
		{"0044", "202", "policy.users.201.calling.allow"},
		{"2021", "202", "policy.users.201.calling.allow"},
	} {
		for _, p := range []auth.Principal{user201, {Admin: true, Name: "202"}, {Trusted: true}} {
			_, err := l.Place(t.Context(), p, request(func(r *control.PlaceRequest) { r.Agent, r.Calling, r.Called = "201", tt.calling, tt.called }))
			wantError(t, err, call.Denied, tt.rule)
		}
	}
	if n := len(l.Signals.Lines()); n != 0 {
		t.Fatalf("%d calls were made", n)
	}
	mustPlace(t, l, user201, request(func(r *control.PlaceRequest) { r.Method = control.MethodInvite }))
	line := l.Signals.Last()
	line.AnswerOn(call.Caller)
	line.AnswerOn(call.Callee)
	transfer := control.TransferRequest{StatusRequest: control.StatusRequest{Calling: "201", Called: "202"}, Target: "0044"}
	wantError(t, l.Transfer(t.Context(), user201, transfer), call.Denied, "policy.users.201.called.deny 00*")
	if o := line.Order; o.Agent.User != "201" {
		t.Errorf("the agent is %+v", o.Agent)
	}
}

// TestZ08Limits: a limit is told with the time after which it is over; a call that ends
// makes room; another user has his own.
func TestZ08Limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := controltest.New(t, func(c *control.Config) {
			c.Policy = policy.New(policy.Config{Default: policy.Set{PerMinute: 3, AtOnce: 2}})
		})
		to := func(called string) control.PlaceRequest {
			return request(func(r *control.PlaceRequest) { r.Called = called })
		}
		mustPlace(t, l, user201, to("301"))
		mustPlace(t, l, user201, to("302"))
		_, err := l.Place(t.Context(), user201, to("303"))
		wantError(t, err, call.Limited, "policy.default.calls_at_once")
		mustPlace(t, l, auth.Principal{Name: "202"}, request(func(r *control.PlaceRequest) { r.Calling, r.Called = "202", "303" }))
		l.Signals.Lines()[0].Reject(486, "Busy Here")
		mustPlace(t, l, user201, to("303"))
		l.Signals.Lines()[1].Reject(486, "Busy Here")
		time.Sleep(20 * time.Second)
		_, err = l.Place(t.Context(), user201, to("304"))
		wantError(t, err, call.Limited, "policy.default.calls_per_minute")
		if e, ok := err.(*call.Error); !ok || e.RetryAfter != 40*time.Second { //nolint:errorlint // the very type is the contract
			t.Errorf("%+v", err)
		}
	})
}

// TestX19NewCallsASecond: above the rate new calls are refused, and the others go on.
func TestX19NewCallsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := controltest.New(t, func(c *control.Config) { c.MaxRate = 10 })
		taken := 0
		for i := range 50 {
			_, err := l.Place(t.Context(), user201, request(func(r *control.PlaceRequest) { r.Called = string(rune('a'+i%26)) + string(rune('a'+i/26)) }))
			if err == nil {
				taken++
				continue
			}
			wantError(t, err, call.Exhausted, "limit of 10 new calls a second")
		}
		if taken != 10 || l.Engine.Len() != 10 {
			t.Errorf("%d are taken, %d live", taken, l.Engine.Len())
		}
	})
}
