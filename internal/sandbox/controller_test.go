package sandbox_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/media"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// controller is a third-party call controller: the real thing, without its
// interfaces.
type controller struct {
	t      *testing.T
	domain string
	engine *engine.Engine
}

func newController(t *testing.T, w *world) *controller {
	t.Helper()
	account, _ := w.User(sandbox.DemoAccount)
	log := slog.New(slog.DiscardHandler)
	wheel := timing.New()
	t.Cleanup(wheel.Close)
	var ua *dialog.UA
	tl := transport.New(transport.Config{}, func(m *sip.Message, from transport.Source) { ua.Receive(m, from) })
	t.Cleanup(func() { _ = tl.Close() })
	ua = dialog.New(dialog.Config{
		Transport: tl, Resolver: &transport.Resolver{}, Wheel: wheel, Log: log, UserAgent: "test",
		Proxy: w.URI(), Domain: w.Proxy().Domain(), Allow: signalling.Methods,
	})
	if _, err := tl.Listen(t.Context(), transport.UDP, "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	sink, err := media.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	s := signalling.New(signalling.Config{
		UA: ua, SinkPort: sink.Port(), Log: log, Account: func(string) *digest.Credentials {
			return &digest.Credentials{Username: account.Name, Password: account.Password}
		},
	})
	return &controller{t: t, domain: w.Proxy().Domain(), engine: engine.New(s, wheel, log)}
}

// place calls from and lets it call to, and waits until all is over.
func (c *controller) place(from, to string) *call.Call {
	c.t.Helper()
	party := func(user string) call.Party { return call.Party{URI: "sip:" + user + "@" + c.domain, User: user} }
	r := c.engine.Add(call.New("call", &call.Order{
		Agent: party(from), Caller: party(from), Callee: party(to), ReferredBy: "sip:" + from + "@" + c.domain,
		Limits: &call.Limits{RingTimeout: 20 * time.Second, NotifyTimeout: 20 * time.Second, ReferLimit: 20 * time.Second, MaxRows: 30},
	}))
	r.Post(call.Start{})
	eventually(c.t, "the call is over", func() bool { s := r.Snapshot(); return s.Over() })
	return r.Snapshot()
}

// rows are what the old interface would show of a call.
func rows(c *call.Call) []string {
	var shown []string
	for _, r := range c.Rows {
		shown = append(shown, r.Method.String()+" "+r.Line)
	}
	return shown
}

func TestReferredCall(t *testing.T) {
	begin := []string{
		"INVITE SIP/2.0 407 Proxy Authentication Required", "INVITE SIP/2.0 100 Trying",
		"INVITE SIP/2.0 180 Ringing", "INVITE SIP/2.0 200 OK",
	}
	for _, c := range []struct {
		to   string
		rows []string
	}{
		{"202", []string{"NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK"}},
		{"203", []string{"NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 486 Busy Here"}},
		{"205", []string{"NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 480 Temporarily Unavailable"}},
		{"299", []string{"NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 404 Not Found"}},
	} {
		t.Run(c.to, func(t *testing.T) {
			w := start(t, nil)
			done := newController(t, w).place("201", c.to)
			want := append(append([]string(nil), begin...), c.rows...)
			if diff := cmp.Diff(want, rows(done)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if c.to != "202" {
				w.shows("201")
				return
			}
			w.shows("201", "talking sip:202@demo.test")
			w.shows("202", "talking sip:201@demo.test")
		})
	}
}

func TestReferredByIsCopiedAndCredentialsAreNot(t *testing.T) {
	w := start(t, nil)
	newController(t, w).place("201", "202")
	copied := w.count(func(m sandbox.Traced) bool {
		return m.Sent && m.Msg.Method == sip.INVITE && m.Msg.Get(sip.ReferredBy) == "<sip:201@demo.test>"
	})
	if copied != 1 {
		t.Errorf("%d INVITEs with Referred-By were relayed, want 1", copied)
	}
	leaked := w.count(func(m sandbox.Traced) bool {
		return m.Sent && m.Msg.IsRequest() && m.Msg.Has(sip.ProxyAuthorization)
	})
	if leaked != 0 {
		t.Errorf("%d relayed requests still carry the credentials for the proxy", leaked)
	}
}

func TestReferRefused(t *testing.T) {
	w := start(t, func(o *sandbox.Options) { o.Phones[0].RefuseRefer = 603 })
	done := newController(t, w).place("201", "202")
	if got := rows(done); got[len(got)-1] != "NOTIFY SIP/2.0 603 Decline" {
		t.Errorf("last row is %q", got[len(got)-1])
	}
	w.shows("201")
}

func TestWho(t *testing.T) {
	w := start(t, nil)
	w.dial("201", "sip:202@demo.test")
	w.shows("202", "talking sip:201@demo.test")
	names := make(map[string]bool)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.traced {
		if m.Msg.Method != sip.REGISTER && m.Msg.Status != 401 { // Before its end nobody is known.
			names[m.User] = true
		}
		names[w.Who(m.Peer)] = true
	}
	if diff := cmp.Diff(map[string]bool{"201": true, "202": true, "203": true, "204": true, "207": true}, names); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
	if got := w.Who(transport.Target{Protocol: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:1")}); got != "" {
		t.Errorf("a stranger is called %q", got)
	}
}
