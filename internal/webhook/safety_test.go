package webhook_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"callcontroller/api"
	"callcontroller/internal/policy"
	"callcontroller/internal/webhook"
	"callcontroller/internal/webhook/signature"
)

// fakeDNS answers every name with one address, that of the moment.
type fakeDNS struct{ address atomic.Pointer[netip.Addr] }

func (d *fakeDNS) set(address string) {
	a := netip.MustParseAddr(address)
	d.address.Store(&a)
}

// resolver asks over a pipe, as a resolver does over TCP (RFC 1035 section 4.2.2).
func (d *fakeDNS) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go d.serve(server)
		return client, nil
	}}
}

func (d *fakeDNS) serve(c net.Conn) {
	defer c.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		var m dnsmessage.Message
		if _, err := io.ReadFull(c, query); err != nil || m.Unpack(query) != nil {
			return
		}
		answer := d.answer(m)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (d *fakeDNS) answer(m dnsmessage.Message) []byte {
	m.Response, m.Additionals = true, nil
	q, a := m.Questions[0], *d.address.Load()
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0}
	switch {
	case q.Type == dnsmessage.TypeA && a.Is4():
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: a.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && a.Is6():
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
	}
	packed, _ := m.Pack()
	return packed
}

// Row Z07 for HTTP: a name that leads to a good address when it is looked at, and to
// another when it is dialled, opens no way in.
func TestZ07RebindingIsRefused(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.2:"+u.Port())
	if err != nil {
		t.Skipf("this system has no second loopback address: %v", err)
	}
	defer inside.Close()
	reached := make(chan struct{}, 100)
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			reached <- struct{}{}
			_ = c.Close()
		}
	}()

	var dns fakeDNS
	l := newLab(t, r)
	l.config.Endpoints[0].URL = "https://example.com:" + u.Port() + "/" // for which the receiver has a certificate
	l.config.Resolver = dns.resolver(t)
	l.config.Rules.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	h := l.hooks(t)
	for range 2 {
		dns.set("127.0.0.1")
		if a, err := h.Test(t.Context(), "a"); err != nil || a.Status != http.StatusOK {
			t.Errorf("%v %v", a.Status, err)
		}
		r.next(t)
		for _, address := range []string{"127.0.0.2", "::ffff:127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "0.0.0.0", "64:ff9b::127.0.0.2"} {
			dns.set(address)
			_, err := h.Test(t.Context(), "a")
			if err == nil || !strings.Contains(err.Error(), "is no public address, and in none of webhooks.networks") {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if len(reached)+len(r.got) != 0 {
		t.Errorf("%d connections to 127.0.0.2, %d to 127.0.0.1", len(reached), len(r.got))
	}
}

// A URL that the rules do not allow is refused before there is an endpoint.
func TestZ07URLIsRefused(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"https://127.0.0.1/", "webhook a: its URL has a host and port that webhooks.hosts does not allow"},
		{"http://hooks.example.com/", "webhook a: its URL is plain HTTP, which webhooks.allow_http does not allow"},
		{"https://geheim:geheim@hooks.example.com/", "webhook a: its URL must have no user and password: the signature tells who sends"},
		{"https://hooks.example.com/%zzgeheim", "webhook a: its URL cannot be read"},
		{"https://hooks.example.com/", "webhook a: it has no secret"},
	} {
		c := webhook.Config{Rules: policy.Outward{Hosts: []string{"hooks.example.com"}}, Endpoints: []webhook.Endpoint{{Name: "a", URL: tt.url}}}
		if _, err := webhook.New(c); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestZ07ProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	proxy, r := newReceiver(t, nil), newReceiver(t, nil)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	l := newLab(t, r)
	var dns fakeDNS
	dns.set("127.0.0.1")
	l.config.Resolver = dns.resolver(t)
	l.config.Endpoints[0].URL = strings.Replace(r.URL, "127.0.0.1", "example.com", 1) // loopback never goes by a proxy
	if a, err := l.hooks(t).Test(t.Context(), "a"); err != nil || a.Status != http.StatusOK {
		t.Error(a.Status, err)
	}
	if len(proxy.got) != 0 || len(r.got) != 1 {
		t.Errorf("%d by the proxy", len(proxy.got))
	}
}

// Row Z24: an answer is not unpacked.
func TestZ24AnswerIsNotDecoded(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("no gzip"))
	})
	a, err := newLab(t, r).hooks(t).Test(t.Context(), "a")
	if err != nil || string(a.Body) != "no gzip" {
		t.Errorf("%q %v", a.Body, err)
	}
}

// Row Z20: whatever happens, no log and no error has a secret in it, nor the path of a
// URL, which is one with some services.
func TestZ20WebhookSecretsAreNotLogged(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if s := int(status.Load()); s != 0 {
			w.Header().Set("Location", q.URL.String())
			w.WriteHeader(s)
			return
		}
		panic(http.ErrAbortHandler)
	})
	l := newLab(t, r)
	l.run(t)
	l.prime(t, r)
	var signatures, errs []string
	note := func(a attempt) { signatures = append(signatures, a.header.Get("webhook-signature")) }
	for i, s := range []int32{http.StatusOK, http.StatusFound, http.StatusInternalServerError, 0, http.StatusGone} {
		status.Store(s)
		l.append(t, "CALL", uint64(i+1), api.LegRinging, "201")
		for range map[int32]int{http.StatusOK: 1, http.StatusGone: 1}[s] + map[bool]int{true: 4}[s == 0 || s == 302 || s == 500] {
			note(r.next(t))
		}
	}
	<-l.ended // the only endpoint is disabled
	e := l.config.Endpoints[0]
	for _, spoil := range []func(c *webhook.Config){
		func(c *webhook.Config) { c.Roots = roots() }, // an unknown certificate
		func(c *webhook.Config) { c.Rules.Networks = nil },
		func(c *webhook.Config) {
			c.Endpoints[0].URL = "https://hooks.example.com/path-token?query-token"
			c.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no resolver") }}
		},
		func(c *webhook.Config) {
			c.Rules.AllowHTTP = true
			c.Endpoints[0].URL = strings.Replace(e.URL, "https", "http", 1)
		},
	} {
		c := l.config
		c.Endpoints = []webhook.Endpoint{e}
		spoil(&c)
		h, err := webhook.New(c)
		if err == nil {
			_, err = h.Test(t.Context(), "a")
		}
		if err != nil {
			errs = append(errs, err.Error())
		}
	}
	said := l.log.String() + strings.Join(errs, "\n")
	for _, s := range append(signatures, word, encodedWord, signature.Prefix, "path-token", "query-token") {
		if strings.Contains(said, s) {
			t.Errorf("%q is said in\n%s", s, said)
		}
	}
	for _, s := range []string{"answered 302 Found", "answered 500", "closed the connection", "no resolver", "answered 410", "certificate", "no public address"} {
		if !strings.Contains(said, s) {
			t.Errorf("%q is not said in\n%s", s, said)
		}
	}
}
