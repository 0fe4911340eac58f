package sandbox_test

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

func TestRefusedOutsideADialog(t *testing.T) {
	w := start(t, bare)
	victim := newRaw(t, w.Proxy(), transport.UDP, "206", nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	for name, c := range map[string]struct {
		method, uri string
		line        string
		status      int
	}{
		"unknown user":          {sip.INVITE, "sip:299@demo.test", "", 404},
		"user without a phone":  {sip.INVITE, "sip:206@demo.test", "", 480},
		"From of another user":  {sip.INVITE, "sip:206@demo.test", "From: <sip:201@demo.test>;tag=1", 403},
		"From of another place": {sip.INVITE, "sip:206@demo.test", "From: <sip:205@other.test>;tag=1", 403},
		"another domain":        {sip.INVITE, "sip:206@other.test", "", 403},
		"address":               {sip.INVITE, victim.uri(), "", 403},
		"message to an address": {sip.MESSAGE, victim.uri(), "", 403},
		"Route to an address":   {sip.INVITE, "sip:205@demo.test", "Route: <" + victim.uri() + ";lr>", 403},
		"no user":               {sip.MESSAGE, "sip:demo.test", "", 484},
		"unknown extension":     {sip.INVITE, "sip:206@demo.test", "Proxy-Require: magic", 420},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			var lines []string
			if c.line != "" {
				lines = append(lines, c.line)
			}
			resp := r.ask(r.request(c.method, c.uri, lines...))
			if resp.Status == 407 {
				resp = r.ask(r.answer(r.request(c.method, c.uri, lines...), resp))
			}
			wantStatus(t, resp, c.status)
		})
	}
	r.t = t
	wantStatus(t, r.ask(r.request(sip.INVITE, "sip:206@demo.test", "Max-Forwards: 0")), 483)
	wantStatus(t, r.ask(r.request(sip.BYE, "sip:206@demo.test")), 481)
	wantStatus(t, r.ask(r.request(sip.OPTIONS, "sip:demo.test")), 200)
	wantStatus(t, r.ask(r.request(sip.INVITE, "tel:206")), 416)
	victim.silent()
}

// Nothing makes the proxy send to an address that is neither a registered contact
// nor a party of a dialog that began through it.
func TestNoOpenRelay(t *testing.T) {
	w := start(t, bare)
	victim := newRaw(t, w.Proxy(), transport.UDP, "206", nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	for name, c := range map[string]struct {
		method string
		route  string
	}{
		"BYE without a Route":         {sip.BYE, ""},
		"BYE with our Route":          {sip.BYE, "<sip:" + w.Proxy().Addr().String() + ";lr>"},
		"BYE with a guessed ticket":   {sip.BYE, "<sip:" + w.Proxy().Addr().String() + ";lr;did=0123456789abcdef>"},
		"INVITE with a foreign Route": {sip.INVITE, "<" + victim.uri() + ";lr>"},
		"REFER":                       {sip.REFER, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			lines := []string{"To: <" + victim.uri() + ">;tag=there"}
			if c.route != "" {
				lines = append(lines, "Route: "+c.route)
			}
			wantStatus(t, r.ask(r.request(c.method, victim.uri(), lines...)), 481)
			r.send(r.request(sip.ACK, victim.uri(), lines...))
			r.send(r.request(sip.CANCEL, victim.uri(), lines...))
		})
	}
	r.t = t
	response := r.request(sip.OPTIONS, "sip:x@127.0.0.1")
	top := "SIP/2.0/UDP " + w.Proxy().Addr().String()
	for _, branch := range []string{"z9hG4bK-sl-0123456789abcdef01234567", "z9hG4bK1"} {
		forged := sip.NewResponse(response, 200, "", "x")
		forged.Remove(sip.Via)
		forged.Prepend(sip.Via, "SIP/2.0/UDP "+victim.at.Addr.String()+";branch=z9hG4bK2")
		forged.Prepend(sip.Via, top+";branch="+branch)
		r.send(forged)
	}
	wantStatus(t, r.ask(r.request(sip.OPTIONS, "sip:demo.test")), 200) // All before it has been worked off.
	victim.silent()
}

// A contact outside the permitted networks is not taken, however it is written.
func TestOnlyPermittedNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		proxy := n.Host(netip.MustParseAddr("192.0.2.1"))
		phone := n.Host(netip.MustParseAddr("192.0.2.2"))
		for _, networks := range [][]netip.Prefix{nil, {netip.MustParsePrefix("192.0.2.0/24")}} {
			w := start(t, func(o *sandbox.Options) {
				bare(o)
				o.Net, o.Listen, o.Networks = proxy, "192.0.2.1:0", networks
			})
			r := newRawAt(t, w.Proxy(), transport.UDP, "205", phone, "192.0.2.2")
			want := 200
			if networks == nil {
				want = 403
			}
			wantStatus(t, r.register("Contact: <"+r.uri()+">"), want)
		}
	})
}

// A dialog between two phones: the proxy stays in its path, and only it knows the way.
func TestDialogThroughTheProxy(t *testing.T) {
	for _, c := range []struct{ caller, called transport.Protocol }{
		{transport.UDP, transport.UDP}, {transport.TCP, transport.TCP}, {transport.UDP, transport.TCP}, {transport.TCP, transport.UDP},
	} {
		t.Run(c.caller.String()+" to "+c.called.String(), func(t *testing.T) {
			w := start(t, bare)
			a := newRaw(t, w.Proxy(), c.caller, "205", nil).here()
			b := newRaw(t, w.Proxy(), c.called, "206", nil).here()
			invite := a.challenged(a.request(sip.INVITE, "sip:206@demo.test", "Route: <sip:"+w.Proxy().Addr().String()+";lr>"))
			a.send(invite)
			came := b.takes(sip.INVITE)
			if got, want := came.Get(sip.MaxForwards), "69"; got != want {
				t.Errorf("Max-Forwards is %s, want %s", got, want)
			}
			if came.Has(sip.Route) || came.Has(sip.ProxyAuthorization) {
				t.Errorf("the proxy's own Route or credentials went on:\n%s", came)
			}
			if came.RequestURI != b.uri() {
				t.Errorf("Request-URI is %s, want %s", came.RequestURI, b.uri())
			}
			a.hears(100)
			b.reply(came, 180)
			a.hears(180)
			b.reply(came, 200)
			ok := a.hears(200)
			a.send(a.inside(sip.ACK, invite, ok))
			b.takes(sip.ACK)
			eventually(t, "the proxy forgets the call", func() bool { return w.Proxy().Calls() == 0 })

			refer := a.inside(sip.REFER, invite, ok)
			wantStatus(t, a.ask(refer), 407)
			a.send(a.challenged(refer))
			b.reply(b.takes(sip.REFER), 202)
			a.hears(202)

			back := b.inside(sip.NOTIFY, came, came)
			back.Set(sip.From, ok.Get(sip.To))
			back.Set(sip.To, invite.Get(sip.From))
			back.RequestURI = a.uri()
			setRoutes(back, came)
			b.send(back)
			a.reply(a.takes(sip.NOTIFY), 200)
			b.hears(200)

			a.send(a.inside(sip.BYE, invite, ok))
			b.reply(b.takes(sip.BYE), 200)
			a.hears(200)
		})
	}
}

// setRoutes gives a request of the called side its route set: Record-Route as it came.
func setRoutes(m, invite *sip.Message) {
	m.Remove(sip.Route)
	for v := range invite.Values(sip.RecordRoute) {
		m.Add(sip.Route, v)
	}
}

func TestRetransmissionKeepsItsBranch(t *testing.T) {
	w := start(t, bare)
	a := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	b := newRaw(t, w.Proxy(), transport.UDP, "206", nil).here()
	m := a.challenged(a.request(sip.MESSAGE, "sip:206@demo.test"))
	a.send(m)
	a.send(m)
	first, second := b.takes(sip.MESSAGE), b.takes(sip.MESSAGE)
	if diff := cmp.Diff(via(first).Branch(), via(second).Branch()); diff != "" {
		t.Errorf("branches of a request and its retransmission:\n%s", diff)
	}
	b.reply(second, 200)
	a.hears(200)
}

// A phone behind an address translator names a contact that only it knows.
func TestContactOutOfReachIsReachedByItsFlow(t *testing.T) {
	for _, p := range []transport.Protocol{transport.UDP, transport.TCP} {
		t.Run(p.String(), func(t *testing.T) {
			w := start(t, bare)
			a := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
			b := newRaw(t, w.Proxy(), p, "206", nil)
			const contact = "sip:206@192.168.77.5:5060"
			wantStatus(t, b.register("Contact: <"+contact+">"), 200)
			a.send(a.challenged(a.request(sip.MESSAGE, "sip:206@demo.test")))
			m := b.takes(sip.MESSAGE)
			if m.RequestURI != contact {
				t.Errorf("Request-URI is %s, want %s", m.RequestURI, contact)
			}
			b.reply(m, 200)
			a.hears(200)
		})
	}
}

// A phone may name itself by an address of the domain (RFC 5627).
func TestContactOfTheDomain(t *testing.T) {
	w := start(t, bare)
	a := newRaw(t, w.Proxy(), transport.UDP, "205", nil).here()
	b := newRaw(t, w.Proxy(), transport.UDP, "206", nil).here()
	invite := a.challenged(a.request(sip.INVITE, "sip:206@demo.test"))
	a.send(invite)
	b.reply(b.takes(sip.INVITE), 200)
	ok := a.hears(200)
	ok.Set(sip.Contact, "<sip:206@demo.test;gr=urn:uuid:1>")
	a.send(a.inside(sip.ACK, invite, ok))
	if m := b.takes(sip.ACK); m.RequestURI != b.uri() {
		t.Errorf("Request-URI is %s, want %s", m.RequestURI, b.uri())
	}
}

// A strict router puts the Route value into the Request-URI (RFC 3261 section 16.4).
func TestStrictRouterBeforeUs(t *testing.T) {
	w := start(t, bare)
	a := newRaw(t, w.Proxy(), transport.UDP, "205", nil).here()
	b := newRaw(t, w.Proxy(), transport.UDP, "206", nil).here()
	invite := a.challenged(a.request(sip.INVITE, "sip:206@demo.test"))
	a.send(invite)
	b.reply(b.takes(sip.INVITE), 200)
	ok := a.hears(200)
	a.send(a.inside(sip.ACK, invite, ok))
	bye := a.inside(sip.BYE, invite, ok)
	route := bye.Get(sip.Route)
	bye.Set(sip.Route, "<"+bye.RequestURI+">")
	bye.RequestURI = strings.Trim(route, "<>")
	a.send(bye)
	if m := b.takes(sip.BYE); m.RequestURI != b.uri() || m.Has(sip.Route) {
		t.Errorf("got\n%swant the Request-URI %s and no Route", m, b.uri())
	}
}

func TestSameInviteByAnotherWay(t *testing.T) {
	w := start(t, bare)
	a := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	b := newRaw(t, w.Proxy(), transport.UDP, "206", nil).here()
	invite := a.challenged(a.request(sip.INVITE, "sip:206@demo.test"))
	a.send(invite)
	b.takes(sip.INVITE)
	again := invite.Clone()
	again.SetTopVia(via(again).with("branch", sip.NewBranch()))
	wantStatus(t, a.ask(again), 482)
}

func TestCallsAreBounded(t *testing.T) {
	wheel := timing.New()
	t.Cleanup(wheel.Close)
	o := sandbox.Demo()
	p, err := sandbox.NewProxy(t.Context(), sandbox.ProxyOptions{Domain: o.Domain, Users: o.Users, Wheel: wheel, MaxCalls: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	a := newRaw(t, p, transport.UDP, "205", nil)
	b := newRaw(t, p, transport.UDP, "206", nil).here()
	a.send(a.challenged(a.request(sip.INVITE, "sip:206@demo.test")))
	b.takes(sip.INVITE)
	wantStatus(t, a.ask(a.challenged(a.request(sip.INVITE, "sip:206@demo.test"))), 503)
	if got := p.Calls(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

// A call costs memory only.
func TestNoGoroutineForACall(t *testing.T) {
	w := start(t, bare)
	a := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	b := newRaw(t, w.Proxy(), transport.UDP, "206", nil).here()
	before := runtime.NumGoroutine()
	for range 100 {
		a.send(a.challenged(a.request(sip.INVITE, "sip:206@demo.test")))
		b.reply(b.takes(sip.INVITE), 180)
	}
	eventually(t, "100 calls ring", func() bool { return w.Proxy().Calls() == 100 })
	if more := runtime.NumGoroutine() - before; more > 10 {
		t.Errorf("100 ringing calls have %d goroutines", more)
	}
}
