package load

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/secret"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// server is the whole of it but for HTTP.
type server struct {
	engine *engine.Engine
	ua     *dialog.UA
	layer  *transport.Layer
	wheel  *timing.Wheel

	mode   call.Mode   // of the calls that are placed
	limits call.Limits // the same
}

// serve starts a server on a network. proxy is its outbound proxy; without a host
// the Request-URI is the next hop.
func serve(tb testing.TB, network transport.Net, listen string, proxy sip.URI) *server {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &server{wheel: timing.New(), limits: call.Limits{
		RingTimeout: 180 * time.Second, NotifyTimeout: 32 * time.Second, ReferLimit: 180 * time.Second, MaxRows: 100,
	}}
	s.layer = transport.New(transport.Config{Net: network, Log: log},
		func(m *sip.Message, from transport.Source) { s.ua.Receive(m, from) })
	s.ua = dialog.New(dialog.Config{
		Transport: s.layer, Resolver: &transport.Resolver{}, Wheel: s.wheel, Log: log, UserAgent: "callcontroller",
		Proxy: proxy, Domain: "example.com", Allow: signalling.Methods,
	})
	if _, err := s.layer.Listen(context.Background(), transport.UDP, listen); err != nil {
		tb.Fatal(err)
	}
	account := digest.Credentials{Username: "200", Password: secret.New("secret"), Realm: "example.com"}
	signaller := signalling.New(signalling.Config{
		UA: s.ua, SinkPort: 40000, Log: log, Account: func(string) *digest.Credentials { return &account },
		SessionExpires: 1800, Wheel: s.wheel,
	})
	s.engine = engine.New(signaller, s.wheel, log)
	return s
}

func (s *server) close(tb testing.TB) {
	tb.Helper()
	if err := s.layer.Close(); err != nil {
		tb.Error(err)
	}
	s.wheel.Close()
}

// call places call number i. Its texts are its own, as those of a real call are.
func (s *server) call(i int, callerHost string) *engine.Running {
	agent := fmt.Sprintf("sip:agent%d@example.com", i)
	r := s.engine.Add(call.New(call.ID(fmt.Sprintf("%026d", i)), &call.Order{
		Mode:   s.mode,
		Agent:  call.Party{URI: agent, Display: fmt.Sprintf("Agent %d", i), User: fmt.Sprintf("agent%d", i)},
		Caller: call.Party{URI: fmt.Sprintf("sip:%d@%s", i, callerHost)}, Callee: call.Party{URI: fmt.Sprintf("sip:c%d@example.com", i)},
		ReferredBy: agent, Limits: &s.limits,
	}))
	r.Post(call.Start{})
	return r
}

// left tells what the server still holds.
func (s *server) left() string {
	u := s.ua.Stats()
	return fmt.Sprintf("%d calls, %d sessions, %d client and %d server transactions, %d timers",
		s.engine.Len(), u.Sessions, u.Transactions.Clients, u.Transactions.Servers, s.wheel.Running())
}

const nothing = "0 calls, 0 sessions, 0 client and 0 server transactions, 0 timers"

// automaton is a peer that answers each message for itself and remembers nothing.
type automaton struct {
	conn  transport.PacketConn
	addr  netip.AddrPort
	react reaction
}

// reaction does what a peer does about one message.
type reaction func(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort)

// serve reads until the socket is closed.
func (a *automaton) serve(tb testing.TB) {
	tb.Helper()
	buf := make([]byte, sip.MaxMessageSize)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m, err := sip.Parse(buf[:n])
		if err != nil {
			tb.Errorf("the server sent what cannot be read: %v", err)
			continue
		}
		a.react(tb, a, m, from)
	}
}

func (a *automaton) send(tb testing.TB, m *sip.Message, to netip.AddrPort) {
	tb.Helper()
	if _, err := a.conn.WriteToUDPAddrPort(m.Bytes(), to); err != nil {
		tb.Error(err)
	}
}

// answer makes a response with a tag, a Contact and the path through two proxies.
func (a *automaton) answer(req *sip.Message, status int) *sip.Message {
	tag := ""
	if status > 100 {
		tag = "phone-" + req.Get(sip.CallID)
	}
	m := sip.NewResponse(req, status, "", tag)
	if status == 100 {
		return m
	}
	m.Add(sip.RecordRoute, fmt.Sprintf("<sip:%s;lr=on;ftag=%s;did=8f1.2a3>, <sip:%s;lr;r2=on>", a.addr, req.FromTag(), a.addr))
	m.Add(sip.Contact, fmt.Sprintf("<sip:%s-0x5576e1c0d130@%s>", userOf(req), a.addr))
	if req.Method == sip.INVITE && status == 200 {
		m.Add(sip.ContentType, "application/sdp")
		m.Body = []byte("v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
	}
	return m
}

// request makes a request inside the dialog of a request of the server, its
// REFER for example.
func (a *automaton) request(of *sip.Message, method string, seq int) *sip.Message {
	target := "sip:unknown.invalid"
	if c, ok := of.Contact(); ok {
		target = c.URI.String()
	}
	m := sip.NewRequest(method, target)
	m.Add(sip.Via, fmt.Sprintf("SIP/2.0/UDP %s;rport;branch=%s", a.addr, sip.NewBranch()))
	m.Add(sip.MaxForwards, "70")
	m.Add(sip.From, of.Get(sip.To))
	m.Add(sip.To, of.Get(sip.From))
	m.Add(sip.CallID, of.Get(sip.CallID))
	m.Add(sip.CSeq, fmt.Sprint(seq, " ", method))
	m.Add(sip.Contact, fmt.Sprintf("<sip:%s@%s>", userOf(of), a.addr))
	return m
}

// notify makes the NOTIFY of a sipfrag.
func (a *automaton) notify(refer *sip.Message, seq int, state, frag string) *sip.Message {
	m := a.request(refer, sip.NOTIFY, seq)
	m.Add(sip.Event, "refer")
	m.Add(sip.SubscriptionState, state)
	m.Add(sip.ContentType, "message/sipfrag;version=2.0")
	m.Body = []byte(frag)
	return m
}

// userOf is the user part of To, which has the number of the call.
func userOf(m *sip.Message) string {
	to, err := m.To()
	if err != nil {
		return ""
	}
	return to.URI.User
}

func mustURI(tb testing.TB, s string) sip.URI {
	tb.Helper()
	u, err := sip.ParseURI(s)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}
