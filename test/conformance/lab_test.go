package conformance

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/secret"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

// Addresses of the lab. The phone stands where the server's outbound proxy is, so
// it gets everything first, as a proxy or as a phone.
var (
	serverAddr = netip.MustParseAddrPort("192.0.2.10:5060")
	phoneAddr  = netip.MustParseAddrPort("192.0.2.20:5060")
)

// lab is a server and the network around it.
type lab struct {
	*testing.T
	net    *memnet.Network
	wheel  *timing.Wheel
	ua     *dialog.UA
	engine *engine.Engine
	layer  *transport.Layer
	server netip.AddrPort
	log    *logBook
	start  time.Time
	calls  int
	real   bool // no bubble, see options
}

// options change the lab of one test.
type options struct {
	noProxy bool   // the Request-URI is the next hop
	proxy   string // instead of the phone's address
	sipx    bool
	strict  bool             // what is of a call is taken only from where the call sends
	dns     transport.Lookup // of the next hops; nil for the system's
	expires uint32           // session interval
	server  netip.AddrPort   // instead of serverAddr
	tcp     bool             // the server listens on TCP too
	real    bool             // real sockets on loopback, outside any bubble
}

// run runs a test in a bubble with a lab of its own. When the test is over it waits
// past every timer and checks that nothing is left (row set I).
func run(t *testing.T, o options, test func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, o)
		defer l.close()
		test(l)
		l.settle()
	})
}

func newLab(t *testing.T, o options) *lab {
	t.Helper()
	if !o.server.IsValid() {
		o.server = serverAddr
	}
	l := &lab{real: o.real, T: t, net: memnet.New(memnet.Options{}), wheel: timing.New(), server: o.server, log: &logBook{t: t}, start: time.Now()}
	log := slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	host := l.net.Host(o.server.Addr())
	if o.real {
		host = transport.System{}
	}
	l.layer = transport.New(transport.Config{Net: host, Log: log, Undelivered: func(data []byte) { l.ua.Undelivered(data) }},
		func(m *sip.Message, from transport.Source) { l.ua.Receive(m, from) })
	var proxy sip.URI
	if !o.noProxy {
		if o.proxy == "" {
			o.proxy = "sip:" + phoneAddr.String()
		}
		proxy = mustURI(t, o.proxy)
	}
	l.ua = dialog.New(dialog.Config{
		Transport: l.layer, Resolver: &transport.Resolver{DNS: o.dns}, Wheel: l.wheel, Log: log, UserAgent: "callcontroller",
		Proxy: proxy, Domain: "example.com", Allow: signalling.Methods, StrictSource: o.strict,
	})
	listen(t, l.layer, transport.UDP, o.server)
	if o.tcp {
		listen(t, l.layer, transport.TCP, o.server)
	}
	signaller := signalling.New(signalling.Config{
		UA: l.ua, SinkPort: 40000, Wheel: l.wheel, SessionExpires: o.expires, Log: log, Sipx: o.sipx,
		Account: func(string) *digest.Credentials {
			return &digest.Credentials{Username: "203", Password: secret.New("secret"), Realm: "example.com"}
		},
	})
	l.engine = engine.New(signaller, l.wheel, log)
	return l
}

func listen(t *testing.T, l *transport.Layer, p transport.Protocol, a netip.AddrPort) {
	t.Helper()
	if _, err := l.Listen(context.Background(), p, a.String()); err != nil {
		t.Fatal(err)
	}
}

func mustURI(t *testing.T, s string) sip.URI {
	t.Helper()
	u, err := sip.ParseURI(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// settle waits past the longest timer and checks that the server holds nothing any
// more: no call, session, transaction or timer.
func (l *lab) settle() {
	l.Helper()
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	s := l.ua.Stats()
	if n := l.engine.Len(); n != 0 {
		l.Errorf("%d calls are left", n)
	}
	if s.Sessions != 0 || s.Transactions.Clients != 0 || s.Transactions.Servers != 0 {
		l.Errorf("left: %d sessions, %d client and %d server transactions", s.Sessions, s.Transactions.Clients, s.Transactions.Servers)
	}
	if n := l.wheel.Running(); n != 0 {
		l.Errorf("%d timers are left", n)
	}
}

func (l *lab) close() {
	l.Helper()
	if err := l.layer.Close(); err != nil {
		l.Error(err)
	}
	l.wheel.Close()
}

// order is what the tests place: 201 calls 202 on behalf of 203.
func order() *call.Order {
	return &call.Order{
		Agent:  call.Party{URI: "sip:203@example.com", Display: "Agent", User: "203"},
		Caller: call.Party{URI: "sip:201@example.com"}, Callee: call.Party{URI: "sip:202@example.com"},
		ReferredBy: "sip:203@example.com",
		Limits:     &call.Limits{RingTimeout: 180 * time.Second, NotifyTimeout: 32 * time.Second, ReferLimit: 180 * time.Second, MaxRows: 100},
	}
}

// place starts a call. change may alter its order.
func (l *lab) place(change ...func(*call.Order)) *engine.Running {
	l.calls++
	o := order()
	for _, c := range change {
		c(o)
	}
	r := l.engine.Add(call.New(call.ID(fmt.Sprint("call-", l.calls)), o))
	r.Post(call.Start{})
	return r
}

// since is the virtual time since the lab began.
func (l *lab) since() time.Duration { return time.Since(l.start) }

// rows gives the rows of a call as "METHOD status line".
func rows(r *engine.Running) []string {
	var out []string
	for _, row := range r.Snapshot().Rows {
		out = append(out, row.Method.String()+" "+row.Line)
	}
	return out
}

// wantRows checks the rows of a call.
func (l *lab) wantRows(r *engine.Running, want ...string) {
	l.Helper()
	if !l.real {
		synctest.Wait() // What the phone got may have left before the call was told.
	}
	got := rows(r)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		l.Errorf("rows\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// wantEnd checks that a call has ended, with that result.
func (l *lab) wantEnd(r *engine.Running, want call.Result) {
	l.Helper()
	synctest.Wait()
	if c := r.Snapshot(); c.State != call.Ended || c.Outcome.Result != want {
		l.Errorf("the call is %s %+v, want it ended as %s", c.State, c.Outcome, want)
	}
}

// logBook is the server's log: part of the test's, and kept.
type logBook struct {
	t *testing.T

	mu   sync.Mutex
	text strings.Builder
}

func (b *logBook) Write(line []byte) (int, error) {
	b.t.Log(strings.TrimSpace(string(line)))
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

// has tells whether the server has logged that text.
func (b *logBook) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), text)
}
