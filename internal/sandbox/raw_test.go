package sandbox_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
)

// raw is a SIP peer that sends what a test writes, and keeps what comes.
type raw struct {
	*transport.Layer
	t        *testing.T
	proxy    transport.Target
	at       transport.Target // its own address
	user     string
	password string
	got      chan *sip.Message
	seq      int
}

// newRaw makes a peer with the account of a user and a socket of its own.
func newRaw(t *testing.T, p *sandbox.Proxy, protocol transport.Protocol, user string, n transport.Net) *raw {
	t.Helper()
	return newRawAt(t, p, protocol, user, n, p.Addr().Addr().String())
}

// newRawAt is newRaw with the socket on that address.
func newRawAt(t *testing.T, p *sandbox.Proxy, protocol transport.Protocol, user string, n transport.Net, host string) *raw {
	t.Helper()
	r := &raw{
		t: t, proxy: transport.Target{Protocol: protocol, Addr: p.Addr()}, user: user,
		password: sandbox.DemoPassword(user), got: make(chan *sip.Message, 256),
	}
	r.Layer = transport.New(transport.Config{Net: n}, func(m *sip.Message, _ transport.Source) { r.got <- m })
	t.Cleanup(func() { _ = r.Close() })
	at, err := r.Listen(t.Context(), protocol, host+":0")
	if err != nil {
		t.Fatal(err)
	}
	r.at = transport.Target{Protocol: protocol, Addr: at}
	return r
}

// uri is where the peer listens.
func (r *raw) uri() string {
	return fmt.Sprintf("sip:%s@%s;transport=%s", r.user, r.at.Addr, r.at.Protocol.Param())
}

// request starts a request outside any dialog; lines are further header lines.
func (r *raw) request(method, uri string, lines ...string) *sip.Message {
	r.seq++
	m := sip.NewRequest(method, uri)
	m.Add(sip.Via, fmt.Sprintf("SIP/2.0/%s %s;branch=%s", r.at.Protocol, r.at.Addr, sip.NewBranch()))
	m.Add(sip.MaxForwards, "70")
	m.Add(sip.From, "<sip:"+r.user+"@demo.test>;tag="+sip.NewTag())
	m.Add(sip.To, "<"+uri+">")
	m.Add(sip.CallID, sip.NewCallID())
	m.Add(sip.CSeq, fmt.Sprintf("%d %s", r.seq, method))
	if method == sip.INVITE {
		m.Add(sip.Contact, "<"+r.uri()+">")
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		if h := sip.HeaderOf(name); h != sip.Other && h != sip.Contact && h != sip.Route {
			m.Set(h, value)
			continue
		}
		m.AddOther(name, value)
	}
	return m
}

func (r *raw) send(m *sip.Message) {
	r.t.Helper()
	if err := r.Send(r.proxy, m.Bytes(), nil); err != nil {
		r.t.Fatalf("send: %v", err)
	}
}

// next waits for the next message.
func (r *raw) next() *sip.Message {
	r.t.Helper()
	select {
	case m := <-r.got:
		return m
	case <-time.After(10 * patience):
		r.t.Fatal("no message came")
		return nil
	}
}

// wait passes messages over until one is as wanted.
func (r *raw) wait(what string, ok func(*sip.Message) bool) *sip.Message {
	r.t.Helper()
	for {
		m := r.next()
		if ok(m) {
			return m
		}
		if m.Status > 100 || m.IsRequest() {
			r.t.Logf("%s passed over %s", what, firstLine(m))
		}
	}
}

func firstLine(m *sip.Message) string { line, _, _ := strings.Cut(m.String(), "\r\n"); return line }

// ask sends a request and waits for its final response.
func (r *raw) ask(m *sip.Message) *sip.Message {
	r.t.Helper()
	r.send(m)
	return r.wait("final response", func(resp *sip.Message) bool {
		return resp.Status >= 200 && resp.Get(sip.CSeq) == m.Get(sip.CSeq)
	})
}

// challenged sends a request, takes the challenge and gives the same request with
// credentials, not sent yet.
func (r *raw) challenged(m *sip.Message) *sip.Message {
	r.t.Helper()
	resp := r.ask(m)
	if resp.Status != 401 && resp.Status != 407 {
		r.t.Fatalf("%s got %d %s, want a challenge", m.Method, resp.Status, resp.Reason)
	}
	return r.answer(m, resp)
}

// answer gives a request with the credentials for a challenge.
func (r *raw) answer(m, resp *sip.Message) *sip.Message {
	r.t.Helper()
	a := digest.NewCache(0).NewAttempt(digest.Credentials{Username: r.user, Password: secret.New(r.password)}, "proxy")
	var received []digest.Field
	for _, f := range resp.Fields {
		received = append(received, digest.Field{Name: f.Name, Value: f.Value})
	}
	fields, err := a.RetryFields(received, m.Method, m.RequestURI)
	if err != nil {
		r.t.Fatal(err)
	}
	again := m.Clone()
	r.seq++
	again.Set(sip.CSeq, fmt.Sprintf("%d %s", r.seq, m.Method))
	again.SetTopVia(via(again).with("branch", sip.NewBranch()))
	again.Remove(sip.Authorization)
	again.Remove(sip.ProxyAuthorization)
	for _, f := range fields {
		again.AddOther(f.Name, f.Value)
	}
	return again
}

type viaValue struct{ sip.ViaValue }

func via(m *sip.Message) viaValue { v, _ := m.Via(); return viaValue{v} }

func (v viaValue) with(name, value string) sip.ViaValue {
	v.Params = v.Params.With(name, value)
	return v.ViaValue
}

// authorized sends a request with credentials and gives the final response.
func (r *raw) authorized(m *sip.Message) *sip.Message {
	r.t.Helper()
	return r.ask(r.challenged(m))
}

// register registers contacts and gives the final response.
func (r *raw) register(lines ...string) *sip.Message {
	r.t.Helper()
	return r.authorized(r.request(sip.REGISTER, "sip:demo.test", append(lines, "To: <sip:"+r.user+"@demo.test>")...))
}

// here registers where the peer listens.
func (r *raw) here() *raw {
	r.t.Helper()
	wantStatus(r.t, r.register("Contact: <"+r.uri()+">"), 200)
	return r
}

// reply answers a request that came.
func (r *raw) reply(req *sip.Message, status int) *sip.Message {
	r.t.Helper()
	resp := sip.NewResponse(req, status, "", "tag-of-"+r.user)
	for _, f := range req.Fields {
		if f.Header == sip.RecordRoute {
			resp.Add(f.Header, f.Value)
		}
	}
	resp.Add(sip.Contact, "<"+r.uri()+">")
	r.send(resp)
	return resp
}

// takes waits for a request.
func (r *raw) takes(method string) *sip.Message {
	r.t.Helper()
	return r.wait(method, func(m *sip.Message) bool { return m.Method == method })
}

// hears waits for a response with that status.
func (r *raw) hears(status int) *sip.Message {
	r.t.Helper()
	return r.wait(strconv.Itoa(status), func(m *sip.Message) bool { return m.Status == status })
}

// inside makes a request in the dialog that a 2xx to an INVITE of r has made.
func (r *raw) inside(method string, invite, ok *sip.Message) *sip.Message {
	r.t.Helper()
	c, _ := ok.Contact()
	m := r.request(method, c.URI.String(), "From: "+invite.Get(sip.From), "To: "+ok.Get(sip.To), "Call-ID: "+invite.Get(sip.CallID))
	if method == sip.ACK {
		seq, _, _ := strings.Cut(invite.Get(sip.CSeq), " ")
		m.Set(sip.CSeq, seq+" ACK")
	}
	var routes []string
	for v := range ok.Values(sip.RecordRoute) {
		routes = append([]string{v}, routes...)
	}
	for _, v := range routes {
		m.Add(sip.Route, v)
	}
	return m
}

// silent fails the test when anything comes that a request of another has led here.
// It must be called when whatever could come has had its time: behind an answer.
func (r *raw) silent() {
	r.t.Helper()
	select {
	case m := <-r.got:
		r.t.Errorf("got %q, want nothing", firstLine(m))
	default:
	}
}

func wantStatus(t *testing.T, m *sip.Message, want int) {
	t.Helper()
	if m.Status != want {
		t.Errorf("got %d %s, want %d", m.Status, m.Reason, want)
	}
}
