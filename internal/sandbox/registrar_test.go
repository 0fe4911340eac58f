package sandbox_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
)

// bare leaves the simulated phones out.
func bare(o *sandbox.Options) { o.Phones = nil }

// inMemory puts a world without phones on a network in memory, where time is that
// of the bubble.
func inMemory(n *memnet.Network) func(*sandbox.Options) {
	return func(o *sandbox.Options) { o.Phones, o.Net = nil, loopback(n) }
}

func loopback(n *memnet.Network) transport.Net { return n.Host(netip.MustParseAddr("127.0.0.1")) }

func TestRegister(t *testing.T) {
	for _, algorithms := range [][]string{nil, {"SHA-256"}, {"SHA-256", "MD5"}, {"MD5", "SHA-256"}} {
		w := start(t, func(o *sandbox.Options) { bare(o); o.Algorithms = algorithms })
		r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
		resp := r.register("Contact: <"+r.uri()+">", "Expires: 60")
		wantStatus(t, resp, 200)
		if got, want := resp.Get(sip.Contact), "<"+r.uri()+">;expires=60"; got != want {
			t.Errorf("Contact is %q, want %q", got, want)
		}
		if diff := cmp.Diff([]string{r.uri()}, w.Proxy().Registered("205")); diff != "" {
			t.Errorf("registered (-want +got):\n%s", diff)
		}
	}
}

func TestRegisterIsRefused(t *testing.T) {
	w := start(t, bare)
	mine := func(lines ...string) []string { return append(lines, "To: <sip:205@demo.test>") }
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	contact := "Contact: <" + r.uri() + ">"
	for name, c := range map[string]struct {
		uri    string
		lines  []string
		status int
	}{
		"address of another user":   {"sip:demo.test", []string{contact, "To: <sip:206@demo.test>"}, 403},
		"address in another domain": {"sip:demo.test", []string{contact, "To: <sip:205@other.test>"}, 403},
		"too brief":                 {"sip:demo.test", mine(contact, "Expires: 9"), 423},
		"wildcard with a time":      {"sip:demo.test", mine("Contact: *", "Expires: 60"), 400},
		"wildcard and contact":      {"sip:demo.test", mine("Contact: *", contact, "Expires: 0"), 400},
		"contact that is no sip":    {"sip:demo.test", mine("Contact: <tel:205>"), 400},
		"contact that is the proxy": {"sip:demo.test", mine("Contact: <sip:205@" + w.Proxy().Addr().String() + ">"), 403},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			wantStatus(t, r.authorized(r.request(sip.REGISTER, c.uri, c.lines...)), c.status)
		})
	}
	r.t = t
	wantStatus(t, r.ask(r.request(sip.REGISTER, "sip:other.test", contact)), 403)
	wantStatus(t, r.ask(r.request(sip.REGISTER, "sip:demo.test", mine("Require: outbound")...)), 420)
	if got := w.Proxy().Registered("205"); got != nil {
		t.Errorf("registered: %q, want nothing", got)
	}
}

func TestRegisterAWrongPassword(t *testing.T) {
	w := start(t, bare)
	for _, user := range []string{"205", "299"} {
		r := newRaw(t, w.Proxy(), transport.UDP, user, nil)
		r.password = "wrong"
		resp := r.register("Contact: <" + r.uri() + ">")
		wantStatus(t, resp, 401)
		if strings.Contains(resp.Get(sip.WWWAuthenticate), "stale") {
			t.Errorf("%s: a wrong password is called stale", user)
		}
	}
}

func TestContacts(t *testing.T) {
	w := start(t, bare)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	registered := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, w.Proxy().Registered("205")); diff != "" {
			t.Errorf("registered (-want +got):\n%s", diff)
		}
	}
	const a, b = "sip:a@127.0.0.1:1111", "sip:b@127.0.0.1:2222"
	wantStatus(t, r.register("Contact: <"+a+">, <"+b+">;expires=20"), 200)
	registered(b, a)
	query := r.register()
	wantStatus(t, query, 200)
	if n := len(slices.Collect(query.Values(sip.Contact))); n != 2 {
		t.Errorf("the query shows %d contacts, want 2", n)
	}
	wantStatus(t, r.register("Contact: <"+b+">;expires=0"), 200)
	registered(a)
	wantStatus(t, r.register("Contact: <"+b+">"), 200)
	wantStatus(t, r.register("Contact: <"+a+">"), 200)
	registered(b, a) // A refresh keeps its place.
	wantStatus(t, r.register("Contact: *", "Expires: 0"), 200)
	registered()
}

func TestSamePhoneReplacesItsContact(t *testing.T) {
	w := start(t, bare)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	wantStatus(t, r.register(`Contact: <sip:205@127.0.0.1:1111>;+sip.instance="<urn:uuid:1>"`), 200)
	wantStatus(t, r.register(`Contact: <sip:205@127.0.0.1:2222>;+sip.instance="<urn:uuid:1>"`), 200)
	if diff := cmp.Diff([]string{"sip:205@127.0.0.1:2222"}, w.Proxy().Registered("205")); diff != "" {
		t.Errorf("registered (-want +got):\n%s", diff)
	}
}

func TestContactsAreBounded(t *testing.T) {
	w := start(t, bare)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	for port := range 12 {
		wantStatus(t, r.register("Contact: <sip:205@127.0.0.1:"+string(rune('1'+port/10))+"00"+string(rune('0'+port%10))+">"), 200)
	}
	got := w.Proxy().Registered("205")
	if len(got) != 8 || got[0] != "sip:205@127.0.0.1:2001" {
		t.Errorf("registered %q, want the newest 8", got)
	}
}

func TestRegisterOutOfOrder(t *testing.T) {
	w := start(t, bare)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	m := r.challenged(r.request(sip.REGISTER, "sip:demo.test", "To: <sip:205@demo.test>", "Contact: <"+r.uri()+">", "CSeq: 7 REGISTER"))
	m.Set(sip.CSeq, "8 REGISTER")
	wantStatus(t, r.ask(m), 200)
	wantStatus(t, r.ask(m), 200) // A retransmission.
	m.Set(sip.CSeq, "7 REGISTER")
	wantStatus(t, r.ask(m), 500)
}

func TestContactExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, inMemory(n))
		r := newRaw(t, w.Proxy(), transport.UDP, "205", loopback(n))
		wantStatus(t, r.register("Contact: <"+r.uri()+">", "Expires: 60"), 200)
		time.Sleep(59 * time.Second)
		if got := w.Proxy().Registered("205"); len(got) != 1 {
			t.Errorf("after 59 s: %q, want one contact", got)
		}
		time.Sleep(time.Second)
		if got := w.Proxy().Registered("205"); got != nil {
			t.Errorf("after 60 s: %q, want nothing", got)
		}
	})
}

func TestPhoneStaysRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, func(o *sandbox.Options) { o.Net = loopback(n) })
		time.Sleep(time.Hour)
		for _, user := range []string{"201", "202", "203", "204"} {
			if got := w.Proxy().Registered(user); len(got) != 1 {
				t.Errorf("%s after an hour: %q, want one contact", user, got)
			}
		}
	})
}

func TestStaleNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, inMemory(n))
		r := newRaw(t, w.Proxy(), transport.UDP, "205", loopback(n))
		m := r.challenged(r.request(sip.REGISTER, "sip:demo.test", "To: <sip:205@demo.test>"))
		wantStatus(t, r.ask(m), 200)
		time.Sleep(6 * time.Minute)
		resp := r.ask(m)
		wantStatus(t, resp, 401)
		if got := resp.Get(sip.WWWAuthenticate); !strings.Contains(got, "stale=true") {
			t.Errorf("challenge %q does not say stale", got)
		}
		wantStatus(t, r.ask(r.answer(m, resp)), 200)
	})
}

// A digest is for one method and one URI: with another it is worth nothing.
func TestDigestOfAnotherRequest(t *testing.T) {
	w := start(t, bare)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	m := r.challenged(r.request(sip.MESSAGE, "sip:205@demo.test"))
	wantStatus(t, r.ask(m), 480)

	other := m.Clone()
	other.RequestURI = "sip:206@demo.test"
	wantStatus(t, r.ask(other), 400)

	other = m.Clone()
	other.Method = sip.OPTIONS
	other.Set(sip.CSeq, "99 OPTIONS")
	wantStatus(t, r.ask(other), 407)

	forged := m.Clone()
	credentials := m.Get(sip.ProxyAuthorization)
	_, nonce, _ := strings.Cut(credentials, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	forged.Set(sip.ProxyAuthorization, strings.Replace(credentials, nonce, strings.Repeat("0", len(nonce)), 1))
	resp := r.ask(forged)
	wantStatus(t, resp, 407)
	if strings.Contains(resp.Get(sip.ProxyAuthenticate), "stale") {
		t.Error("a nonce that was never made is called stale")
	}
}
