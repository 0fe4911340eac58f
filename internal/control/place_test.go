package control_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/sip"
)

var (
	user201 = auth.Principal{Name: "201"}
	trusted = auth.Principal{Trusted: true}
)

// request is the plain case, changed as a test needs it.
func request(change func(*control.PlaceRequest)) control.PlaceRequest {
	r := control.PlaceRequest{Method: "refer", Calling: "201", Called: "202", Keep: control.DefaultTime}
	if change != nil {
		change(&r)
	}
	return r
}

func mustPlace(t *testing.T, l *controltest.Lab, p auth.Principal, r control.PlaceRequest) call.ID {
	t.Helper()
	running, err := l.Place(t.Context(), p, r)
	if err != nil {
		t.Fatal(err)
	}
	return running.ID()
}

// refuse wants a request to be refused, with that text, and nothing to be sent.
func refuse(t *testing.T, p auth.Principal, r control.PlaceRequest, kind call.Kind, text string) {
	t.Helper()
	l := controltest.New(t, nil)
	_, err := l.Place(t.Context(), p, r)
	wantError(t, err, kind, text)
	if n := len(l.Signals.Lines()); n != 0 {
		t.Errorf("%+v was refused, but %d calls were made", r, n)
	}
}

func wantError(t *testing.T, err error, kind call.Kind, text string) {
	t.Helper()
	e, ok := errors.AsType[*call.Error](err)
	if !ok || e.Kind != kind || !strings.Contains(e.Text, text) {
		t.Errorf("the error is %#v, want kind %d and a text with %q", err, kind, text)
	}
}

func TestPlaceMakesTheOrder(t *testing.T) {
	plain := call.Order{
		Agent:      call.Party{URI: "sip:201@example.com", Display: "Alice", User: "201"},
		Caller:     call.Party{URI: "sip:201@example.com", User: "201"},
		Callee:     call.Party{URI: "sip:202@example.com", User: "202"},
		ReferredBy: "sip:201@example.com", Keep: control.DefaultTime,
		Limits: &call.Limits{RingTimeout: 180 * time.Second, NotifyTimeout: 32 * time.Second, ReferLimit: 180 * time.Second, MaxRows: 100},
	}
	for _, tt := range []struct {
		name   string
		who    auth.Principal
		change func(*control.PlaceRequest)
		want   func(*call.Order)
	}{
		{"plain", user201, nil, func(*call.Order) {}},
		{"method in capitals", user201, func(r *control.PlaceRequest) { r.Method = "REFER" }, func(*call.Order) {}},
		{
			"everything (row T21, T22)", trusted,
			func(r *control.PlaceRequest) {
				r.Agent, r.Called, r.Subject, r.ConfPIN = "203", "conf@PARTNER.test:5080", " Büro ", "12&Route=<sip:e>"
				r.Forwarding, r.Ring = true, 20*time.Second
			},
			func(o *call.Order) {
				o.Agent = call.Party{URI: "sip:sales%231@shop.test", Display: "Sales", User: "203"}
				o.Callee = call.Party{URI: "sip:conf@PARTNER.test:5080"}
				o.ConfPIN = "12&Route=<sip:e>"
				o.ReferredBy, o.Subject, o.Forwarding = o.Agent.URI, "Büro", true
				limits := *o.Limits
				limits.RingTimeout = 20 * time.Second
				o.Limits = &limits
			},
		},
		{
			"the calling party has an alias", user201,
			func(r *control.PlaceRequest) { r.Calling = "alice" },
			func(o *call.Order) { o.Caller.URI = "sip:alice@example.com" },
		},
		{
			"the domain is given", user201,
			func(r *control.PlaceRequest) { r.Calling, r.Called = "201@example.com", "202@EXAMPLE.com:5060" },
			func(o *call.Order) { o.Callee.URI = "sip:202@EXAMPLE.com:5060" },
		},
		{
			"a dial code", user201,
			func(r *control.PlaceRequest) { r.Called = "*72#%&=+$" },
			func(o *call.Order) { o.Callee = call.Party{URI: "sip:*72%23%25&=+$@example.com"} },
		},
		{
			"no wish for the ring timeout", user201,
			func(r *control.PlaceRequest) { r.Ring = 0 }, func(*call.Order) {},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := controltest.New(t, nil)
			id := mustPlace(t, l, tt.who, request(tt.change))
			want := plain
			tt.want(&want)
			line := l.Signals.Last()
			if diff := cmp.Diff(&want, line.Order, cmpopts.IgnoreFields(call.Order{}, "Placed")); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
			if line.ID != id || len(id) < 20 {
				t.Errorf("the call is named %q, the answer says %q", line.ID, id)
			}
		})
	}
}

func TestReferredByTheCallingParty(t *testing.T) {
	l := controltest.New(t, func(c *control.Config) { c.ReferredByCaller = true })
	mustPlace(t, l, trusted, request(func(r *control.PlaceRequest) { r.Agent = "203" }))
	if got := l.Signals.Last().Order.ReferredBy; got != "sip:201@example.com" {
		t.Errorf("Referred-By is %s", got)
	}
}

func TestDefaultsStayBelowTheBounds(t *testing.T) {
	l := controltest.New(t, func(c *control.Config) { c.MaxRing = time.Minute })
	mustPlace(t, l, user201, request(nil))
	if got := l.Signals.Last().Order.RingTimeout; got != time.Minute {
		t.Errorf("the phone rings for %s although %s is the bound", got, time.Minute)
	}
}

// TestZ03AgentImpersonation: nobody acts for another, by whatever name.
func TestZ03AgentImpersonation(t *testing.T) {
	for _, tt := range []struct {
		name    string
		who     auth.Principal
		calling string
		agent   string
		kind    call.Kind
		text    string
	}{
		{"another user", user201, "201", "202", call.NotAgent, "Agent does not match principal"},
		{"another user's alias", user201, "201", "bob", call.NotAgent, "Agent does not match principal"},
		{"another user as calling party", user201, "202", "", call.NotAgent, "Agent does not match principal"},
		{"another user's alias as calling party", user201, "bob", "", call.NotAgent, "Agent does not match principal"},
		{"case change", user201, "201", "ALICE", call.NotAgent, "Agent does not match principal"},
		{"a name that is nobody's", user201, "201", "999", call.NotAgent, "Agent does not match principal"},
		{"unknown", trusted, "201", "999", call.BadUser, "could not find credentials for 999"},
		{"unknown calling party", trusted, "999", "", call.BadUser, "could not find credentials for 999"},
		{"nobody", auth.Principal{}, "201", "", call.NotAgent, "Agent does not match principal"},
		{"more than a name", trusted, "201", "202@example.com", call.Invalid, `agent "202@example.com"`},
		{"two lines", trusted, "201", "202\r\nX: y", call.Invalid, `agent "202\r\nX: y"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refuse(t, tt.who, request(func(r *control.PlaceRequest) { r.Calling, r.Agent = tt.calling, tt.agent }), tt.kind, tt.text)
			l := controltest.New(t, nil)
			_, _, err := l.Status(t.Context(), tt.who, control.StatusRequest{Calling: tt.calling, Called: "202", Agent: tt.agent})
			wantError(t, err, tt.kind, tt.text)
		})
	}
}

func TestZ03OwnAlias(t *testing.T) {
	l := controltest.New(t, nil)
	mustPlace(t, l, user201, request(func(r *control.PlaceRequest) { r.Agent = "alice" }))
	if got := l.Signals.Last().Order.Agent.User; got != "201" {
		t.Errorf("the agent is %q", got)
	}
	if _, ok, err := l.Status(t.Context(), user201, control.StatusRequest{Calling: "201", Called: "202"}); !ok || err != nil {
		t.Errorf("the alias's call is not the user's: %v %v", ok, err)
	}
	mustPlace(t, l, auth.Principal{Name: "999", Admin: true}, request(nil))
}

// badParties are texts that must never become part of a SIP message (rows Z05, Z06).
var badParties = []string{
	"", "@", "@example.com", "201@", "a@b@c", "[::1]", "sip:202", "tel:+123", `"x" <sip:y>`, "202>;x=<", "202;transport=tcp",
	"202?Replaces=x", "2 02", " 202", "202 ", "202,203", `202\203`, "202/203", ".", "..",
	"202\r\nRoute: <sip:evil.test>", "202\n", "202\x00", "202\u2028", "202\u2029", "202\u0085", "202\u200b", "202\u202e",
	"202\x7f", "202\xc0\xaf", "202\xff", strings.Repeat("2", 129), strings.Repeat("2", 4096),
	"202@example.com:0", "202@example.com:65536", "202@example.com:", "202@exam ple.com", "202@example.com\r\nX: y", "202@[::1",
	"202@[fe80::1%eth0]", "202@example.com;transport=tcp", "202@example.com?Route=x", "202@example.com>", "202@\u00e9.test",
	"202@" + strings.Repeat("a", 300),
}

// TestZ06PartiesRefused: a party that says more than a name is refused, in every place.
func TestZ06PartiesRefused(t *testing.T) {
	for _, text := range badParties {
		refuse(t, trusted, request(func(r *control.PlaceRequest) { r.Calling, r.Agent = text, "201" }), call.Invalid, "calling party")
		refuse(t, trusted, request(func(r *control.PlaceRequest) { r.Called = text }), call.Invalid, "called party")
		l := controltest.New(t, nil)
		_, ok, err := l.Status(t.Context(), trusted, control.StatusRequest{Calling: "201", Called: text})
		wantError(t, err, call.Invalid, "called party")
		err = l.Transfer(t.Context(), trusted, control.TransferRequest{StatusRequest: control.StatusRequest{Calling: "201", Called: "202"}, Target: text})
		wantError(t, err, call.Invalid, "target")
		if ok {
			t.Errorf("there is a call to %q", text)
		}
	}
}

// TestZ05FreeTexts: what stands in a header of its own cannot start another.
func TestZ05FreeTexts(t *testing.T) {
	for _, text := range []string{"a\r\nRoute: <sip:evil.test>", "a\nb", "a\tb", "a\x00", "a\u2028b", "a\u2029b", "a\u0085b", "a\xff", "\x1b[31m", strings.Repeat("x", 2001)} {
		refuse(t, user201, request(func(r *control.PlaceRequest) { r.Subject = text }), call.Invalid, "subject")
		refuse(t, user201, request(func(r *control.PlaceRequest) { r.ConfPIN = text }), call.Invalid, "confpin")
	}
	for _, text := range []string{"👩‍👧 Grüße", strings.Repeat("x", 2000), `"<&>"`} {
		l := controltest.New(t, nil)
		mustPlace(t, l, user201, request(func(r *control.PlaceRequest) { r.Subject = text }))
		if got := l.Signals.Last().Order.Subject; got != text {
			t.Errorf("subject %q became %q", text, got)
		}
	}
}

func TestConfPINIsNotRepeated(t *testing.T) {
	l := controltest.New(t, nil)
	_, err := l.Place(t.Context(), user201, request(func(r *control.PlaceRequest) { r.ConfPIN = "4711\n" }))
	if err == nil || strings.Contains(err.Error(), "4711") {
		t.Errorf("the answer is %v", err)
	}
}

// TestZ07HostNotAllowed: a host that is not in the list is never called, and a
// graver mistake than what else may be wrong with the text.
func TestZ07HostNotAllowed(t *testing.T) {
	for _, text := range []string{
		"201@10.0.0.1", "x@127.0.0.1:22", "x@127.0.0.1:22;transport=tcp", "x@attacker", "x@[::1]", "x@localhost", "201@example.com:22",
		"201@example.com.", "201@partner.test", "201@partner.test:5060", "201@10.0.0.1?Route=x",
	} {
		host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(text, "201x"), "@"), ";")
		host, _, _ = strings.Cut(host, "?")
		want := "host " + host + " of "
		refuse(t, trusted, request(func(r *control.PlaceRequest) { r.Calling, r.Agent = text, "201" }), call.Denied, want+"calling party is not allowed")
		refuse(t, trusted, request(func(r *control.PlaceRequest) { r.Called = text }), call.Denied, want+"called party is not allowed")
		l := controltest.New(t, nil)
		err := l.Transfer(t.Context(), trusted, control.TransferRequest{StatusRequest: control.StatusRequest{Calling: "201", Called: "202"}, Target: text})
		wantError(t, err, call.Denied, want+"target is not allowed")
		if strings.ContainsAny(text, ";?") {
			continue
		}
		if _, ok, err := l.Status(t.Context(), trusted, control.StatusRequest{Calling: "201", Called: text}); ok || err != nil {
			t.Errorf("asking for a call to %s gives %v, %v; it is a call that never existed", text, ok, err)
		}
	}
}

func TestPlaceOptionsRefused(t *testing.T) {
	refuse(t, user201, request(func(r *control.PlaceRequest) { r.Ring = -1 }), call.Invalid, "ring timeout")
	refuse(t, user201, request(func(r *control.PlaceRequest) { r.Ring = time.Hour + 1 }), call.Invalid, "to 1h0m0s")
	refuse(t, user201, request(func(r *control.PlaceRequest) { r.Keep = -1 }), call.Invalid, "keep the result")
	refuse(t, user201, request(func(r *control.PlaceRequest) { r.Keep = 24*time.Hour + 1 }), call.Invalid, "to 24h0m0s")
	for _, method := range []string{"refer ", "invites", "", "foo"} {
		refuse(t, user201, request(func(r *control.PlaceRequest) { r.Method = method }), call.BadMethod, "Call Setup Method "+method+" not supported")
	}
}

func TestTransferFindsNoCall(t *testing.T) {
	l := controltest.New(t, nil)
	mustPlace(t, l, user201, request(nil))
	for _, called := range []string{"202", "203"} {
		err := l.Transfer(t.Context(), user201, control.TransferRequest{
			StatusRequest: control.StatusRequest{Calling: "201", Called: called}, Target: "203",
		})
		wantError(t, err, call.Conflict, "Call not found.")
	}
}

// FuzzParty: what is accepted becomes a URI that means exactly what was asked for,
// and nothing else.
func FuzzParty(f *testing.F) {
	for _, s := range append(slices.Clone(badParties), "202", "*72#", "202@example.com:5060", "x@partner.test:5080", "zoë", "a%2fb", "+$&=~!'()") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := controltest.New(t, nil)
		if _, err := l.Place(t.Context(), trusted, request(func(r *control.PlaceRequest) { r.Called = text })); err != nil {
			if kind := call.KindOf(err); kind != call.Invalid && kind != call.Denied {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		o := l.Signals.Last().Order
		u, err := sip.ParseURI(o.Callee.URI)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, o.Callee.URI, err)
		}
		wantUser, hostport, _ := strings.Cut(text, "@")
		if hostport == "" {
			hostport = controltest.Domain
		}
		wantHost, wantPort, err := sip.ParseHostPort(hostport)
		if err != nil {
			t.Fatal(err)
		}
		want := sip.URI{Scheme: "sip", User: sip.EscapeUser(wantUser), Host: wantHost, Port: wantPort}
		if u != want || sip.Unescape(u.User) != wantUser {
			t.Errorf("%q became %+v, want %+v", text, u, want)
		}
	})
}
