package crash

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"callcontroller/api"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

// request tells a request that the proxy has received, of a user's phone or, with "", of
// the program.
func request(method, user string) func(sandbox.Traced) bool {
	return func(m sandbox.Traced) bool { return !m.Sent && m.User == user && m.Msg.Method == method }
}

// inside is request within a dialog.
func inside(method, user string) func(sandbox.Traced) bool {
	return func(m sandbox.Traced) bool { return request(method, user)(m) && m.Msg.ToTag() != "" }
}

// ringing tells an INVITE that is about to reach a phone.
func ringing(user string) func(sandbox.Traced) bool {
	return func(m sandbox.Traced) bool {
		return m.Sent && m.User == user && m.Msg.Method == sip.INVITE && m.Msg.ToTag() == ""
	}
}

// response tells a response that is about to reach the program.
func response(status int, method string) func(sandbox.Traced) bool {
	return func(m sandbox.Traced) bool {
		cseq, err := m.Msg.CSeq()
		return m.Sent && m.User == "" && err == nil && m.Msg.Status == status && cseq.Method == method
	}
}

// nth tells the n-th message that is says so of, from 1.
func nth(n int, is func(sandbox.Traced) bool) func(sandbox.Traced) bool {
	return func(m sandbox.Traced) bool {
		if is(m) {
			n--
		}
		return n == 0
	}
}

// about limits a test to messages of the call with a phone.
func about(user string, is func(sandbox.Traced) bool) func(sandbox.Traced) bool {
	return func(m sandbox.Traced) bool {
		return is(m) && strings.Contains(m.Msg.Get(sip.To), "sip:"+user+"@")
	}
}

// TestX13KilledInSetUp kills the program at each step of setting a call up. When it is
// started again, every phone that rings or waits is on-hook again, and the call is told
// to have failed.
func TestX13KilledInSetUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		method string
		at     func(sandbox.Traced) bool
	}{
		{"refer: INVITE has left", "refer", request(sip.INVITE, "")},
		{"refer: challenged", "refer", response(407, sip.INVITE)},
		{"refer: INVITE with credentials has left", "refer", nth(2, request(sip.INVITE, ""))},
		{"refer: phone rings", "refer", response(180, sip.INVITE)},
		{"refer: phone has answered", "refer", response(200, sip.INVITE)},
		{"refer: ACK has left", "refer", request(sip.ACK, "")},
		{"invite: calling party rings", "invite", response(180, sip.INVITE)},
		{"invite: calling party has answered", "invite", response(200, sip.INVITE)},
		{"invite: called party is called", "invite", about("202", request(sip.INVITE, ""))},
		{"invite: called party rings", "invite", about("202", response(180, sip.INVITE))},
		{"invite: called party has answered", "invite", about("202", response(200, sip.INVITE))},
		{"invite: re-INVITE has left", "invite", inside(sip.INVITE, "")},
		{"invite: re-INVITE is answered", "invite", nth(2, about("201", response(200, sip.INVITE)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, keeping{})
			w.killAt(tt.at)
			w.place(tt.method)
			w.arrive()
			rang := w.seen(ringing("201")) + w.seen(ringing("202"))
			w.serve()
			started := time.Now()
			w.within(func() error { return w.onHook("201", "202") })
			t.Logf("on-hook %v after the program was ready again", time.Since(started).Round(time.Millisecond))
			row := ""
			if tt.method == "refer" {
				row = "<status-line>SIP/2.0 "
			}
			w.within(func() error { return w.over(row) })
			if again := w.seen(ringing("201")) + w.seen(ringing("202")) - rang; again > 1 {
				t.Errorf("%d phones were called after the crash", again)
			}
		})
	}
}

// arrive waits until the point of killAt or actAt was reached.
func (w *world) arrive() {
	w.Helper()
	select {
	case <-w.reached:
	case <-time.After(patience):
		w.Fatal("the point at which something was to be done was not reached")
	}
}

// over wants no call to run, and the old interface to show the one that there was, with
// that row.
func (w *world) over(row string) error {
	got, err := w.ask(http.MethodGet, "/v1/calls", "")
	if err != nil {
		return err
	}
	if got.status != http.StatusOK || strings.Contains(got.body, `"state"`) {
		return fmt.Errorf("calls that run: %d %s", got.status, got.body)
	}
	got, err = w.ask(http.MethodGet, "/callcontroller/201/202?agent=201", "")
	if err != nil {
		return err
	}
	if got.status != http.StatusOK || !strings.Contains(got.body, row) {
		return fmt.Errorf("status of the call: %d %s", got.status, got.body)
	}
	return nil
}

// TestX13KilledAfterREFER kills the program when the phone has been told to call: it goes
// on with that, and the program hears how it went, or lets go of it in time.
func TestX13KilledAfterREFER(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   func(sandbox.Traced) bool
	}{
		{"REFER has left", request("REFER", "")},
		{"REFER is answered", response(202, "REFER")},
		{"first NOTIFY", request(sip.NOTIFY, "201")},
		{"called party rings", nth(2, request(sip.NOTIFY, "201"))},
		{"called party has answered", nth(3, request(sip.NOTIFY, "201"))},
		{"BYE has left", request(sip.BYE, "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, keeping{})
			w.killAt(tt.at)
			w.place("refer")
			w.arrive()
			w.serve()
			w.within(func() error { return w.over("<status-line>SIP/2.0 200 OK") })
			w.within(func() error { return w.talking("201", "202") })
		})
	}
}

// TestX13KilledWhileConnected kills the program while two parties talk through it, or do
// something with the call. They go on, and it can be done again.
func TestX13KilledWhileConnected(t *testing.T) {
	t.Parallel()
	hold := func(w *world, id string) { _, _ = w.ask(http.MethodPost, "/v1/calls/"+id+"/hold", "{}") }
	transfer := func(w *world, id string) {
		_, _ = w.ask(http.MethodPost, "/v1/calls/"+id+"/transfer", `{"target":"207"}`)
	}
	for _, tt := range []struct {
		name string
		at   func(sandbox.Traced) bool // nil: when they are connected, and nothing happens
		do   func(w *world, id string)
	}{
		{"talking", nil, nil},
		{"hold: re-INVITE has left", inside(sip.INVITE, ""), hold},
		{"hold: re-INVITE is answered", response(200, sip.INVITE), hold},
		{"hold: second re-INVITE has left", nth(2, inside(sip.INVITE, "")), hold},
		{"transfer: target is called", about("207", request(sip.INVITE, "")), transfer},
		{"transfer: target rings", about("207", response(180, sip.INVITE)), transfer},
		{"transfer: target has answered", about("207", response(200, sip.INVITE)), transfer},
		{"transfer: re-INVITE has left", inside(sip.INVITE, ""), transfer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, keeping{})
			id := w.connect()
			if tt.at == nil {
				w.kill()
			} else {
				w.killAt(tt.at)
				go tt.do(w, id)
				w.arrive()
			}
			w.serve()
			w.within(func() error { return w.settled(id) })
			w.within(func() error { return w.onHook("207") })
			w.use(id)
		})
	}
}

// connect places a call in INVITE mode and waits until the parties talk.
func (w *world) connect() (id string) {
	w.Helper()
	id = w.connectUntold()
	w.within(func() error { return w.told(id, api.CallConnected) })
	return id
}

// connectUntold does not wait for the journal.
func (w *world) connectUntold() (id string) {
	w.Helper()
	id = w.invite()
	w.within(func() error { return w.connected(id) })
	return id
}

// invite places a call in INVITE mode.
func (w *world) invite() (id string) {
	w.Helper()
	got, err := w.ask(http.MethodPost, "/v1/calls", `{"caller":"201","callee":"202","agent":"201","method":"invite"}`)
	if err != nil || got.status != http.StatusCreated {
		w.Fatal(got, err)
	}
	return strings.TrimPrefix(got.header.Get("Location"), "/v1/calls/")
}

// connected wants a call to be connected, and its phones to talk.
func (w *world) connected(id string) error {
	c, err := w.call(id)
	if err != nil {
		return err
	}
	if c.State != "connected" {
		return fmt.Errorf("the call is %+v", c)
	}
	for _, leg := range c.Legs {
		if leg.Held {
			return fmt.Errorf("the call is held: %+v", c)
		}
	}
	return w.talking("201", "202")
}

// settled wants a call to be connected, and both its phones to be held or to talk.
func (w *world) settled(id string) error {
	c, err := w.call(id)
	if err != nil {
		return err
	}
	if c.State != "connected" || len(c.Legs) != 2 || c.Legs[0].Held != c.Legs[1].Held {
		return fmt.Errorf("the call is %+v", c)
	}
	want := sandbox.Talking
	if c.Legs[0].Held {
		want = sandbox.Held
	}
	for _, user := range []string{"201", "202"} {
		if calls := w.sandbox.Phone(user).Calls(); len(calls) != 1 || calls[0].State != want {
			return fmt.Errorf("phone %s: %+v, wanted %s", user, calls, want)
		}
	}
	if want == sandbox.Held {
		w.do("/v1/calls/"+id+"/resume", "{}")
		return errors.New("it is being resumed")
	}
	return nil
}

// use holds a call, resumes and transfers it, and lets a phone hang up: all that is to be
// had of one that stands.
func (w *world) use(id string) {
	w.Helper()
	w.do("/v1/calls/"+id+"/hold", "{}")
	w.within(func() error {
		if calls := w.sandbox.Phone("201").Calls(); len(calls) != 1 || calls[0].State != sandbox.Held {
			return fmt.Errorf("phone 201 is not held: %+v", calls)
		}
		return nil
	})
	w.do("/v1/calls/"+id+"/resume", "{}")
	w.within(func() error { return w.connected(id) })
	w.do("/v1/calls/"+id+"/transfer", `{"target":"207"}`)
	w.within(func() error { return w.talking("207", "202") })
	w.within(func() error { return w.onHook("201") })
	byes := w.seen(response(200, sip.BYE))
	w.sandbox.Phone("202").HangUp()
	w.within(func() error { return w.onHook("202", "207") })
	w.within(func() error {
		c, err := w.call(id)
		if err == nil && (c.State != "ended" || c.Outcome.Result != "completed" || c.Outcome.EndedBy != "callee") {
			err = fmt.Errorf("the call is %+v", c)
		}
		return err
	})
	if n := w.seen(response(200, sip.BYE)) - byes; n < 1 {
		w.Errorf("%d BYE of ours were answered", n)
	}
}

// do asks for something that is done to a call, until it is taken: phones may be agreeing
// on something just then.
func (w *world) do(path, body string) {
	w.Helper()
	w.within(func() error {
		got, err := w.ask(http.MethodPost, path, body)
		if err == nil && got.status >= 300 {
			err = fmt.Errorf("%d %s", got.status, got.body)
		}
		return err
	})
}
