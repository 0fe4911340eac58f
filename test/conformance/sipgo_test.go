package conformance

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	gosip "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// sipgoPhone is a phone made with another people's SIP stack, on a real socket: it
// wants credentials, rings, answers, takes a REFER, reports by NOTIFY and is hung up.
type sipgoPhone struct {
	*testing.T
	dialogs   sipgo.DialogUA
	transport string
	challenge digest.Challenge
	dialog    atomic.Pointer[sipgo.DialogServerSession] // of the call
	referTo   chan string
	hungUp    chan struct{}
}

// newSipgoPhone opens one on loopback and gives its address.
func newSipgoPhone(t *testing.T, protocol string) (*sipgoPhone, netip.AddrPort) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	ua, err := sipgo.NewUA(sipgo.WithUserAgentTransportLayerOptions(gosip.WithTransportLayerLogger(quiet)),
		sipgo.WithUserAgentTransactionLayerOptions(gosip.WithTransactionLayerLogger(quiet)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ua.Close() })
	server, err := sipgo.NewServer(ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	addr, serve := listenSipgo(t, server, protocol)
	client, err := sipgo.NewClient(ua, sipgo.WithClientLogger(quiet), sipgo.WithClientHostname("127.0.0.1"), sipgo.WithClientPort(int(addr.Port())))
	if err != nil {
		t.Fatal(err)
	}
	contact := gosip.Uri{Scheme: "sip", User: "201", Host: "127.0.0.1", Port: int(addr.Port()), UriParams: gosip.NewParams()}
	contact.UriParams.Add("transport", protocol)
	p := &sipgoPhone{
		T: t, transport: protocol, referTo: make(chan string, 10), hungUp: make(chan struct{}),
		dialogs:   sipgo.DialogUA{Client: client, ContactHDR: gosip.ContactHeader{Address: contact}},
		challenge: digest.Challenge{Realm: "example.com", Nonce: "sipgo-nonce", Algorithm: "SHA-256", QOP: []string{"auth"}},
	}
	server.OnInvite(p.invited)
	server.OnAck(func(req *gosip.Request, tx gosip.ServerTransaction) {
		// sipgo hands on the ACK of the 407 too.
		if d := p.dialog.Load(); d != nil && d.InviteRequest.CSeq().SeqNo == req.CSeq().SeqNo {
			p.check("ACK", d.ReadAck(req, tx))
		}
	})
	server.OnRefer(p.referred)
	server.OnBye(func(req *gosip.Request, tx gosip.ServerTransaction) {
		p.check("BYE", p.dialog.Load().ReadBye(req, tx))
		close(p.hungUp)
	})
	go serve()
	return p, addr
}

// listenSipgo opens a port that the system picks; serve answers what comes there.
func listenSipgo(t *testing.T, server *sipgo.Server, protocol string) (addr netip.AddrPort, serve func()) {
	t.Helper()
	if protocol == "tcp" {
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		return netip.MustParseAddrPort(ln.Addr().String()), func() { _ = server.ServeTCP(ln) }
	}
	pc, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return netip.MustParseAddrPort(pc.LocalAddr().String()), func() { _ = server.ServeUDP(pc) }
}

func (p *sipgoPhone) check(what string, err error) {
	p.Helper()
	if err != nil {
		p.Errorf("sipgo, %s: %v", what, err)
	}
}

// authorized asks for credentials, and checks them, as a proxy does.
func (p *sipgoPhone) authorized(req *gosip.Request, tx gosip.ServerTransaction) bool {
	h := req.GetHeader("Proxy-Authorization")
	if h == nil {
		resp := gosip.NewResponseFromRequest(req, 407, "Proxy Authentication Required", nil)
		resp.AppendHeader(gosip.NewHeader("Proxy-Authenticate", p.challenge.String()))
		p.check("407", tx.Respond(resp))
		return false
	}
	got, err := digest.ParseCredentials(h.Value())
	p.check("credentials", err)
	if err != nil {
		return false
	}
	want, err := digest.Digest(&p.challenge, digest.Options{
		Method: req.Method.String(), URI: req.Recipient.String(), Username: "203", Password: "secret", Count: got.Nc, Cnonce: got.Cnonce,
	})
	p.check("digest", err)
	if got.Response != want.Response || got.URI != req.Recipient.String() {
		p.Errorf("%s with credentials %v, want %v", req.Method, got, want)
	}
	return true
}

func (p *sipgoPhone) invited(req *gosip.Request, tx gosip.ServerTransaction) {
	if !p.authorized(req, tx) {
		return
	}
	d, err := p.dialogs.ReadInvite(req, tx)
	p.check("INVITE", err)
	p.dialog.Store(d)
	p.check("180", d.Respond(180, "Ringing", nil))
	// It comes back when the ACK has come. sipgo hands each message to a goroutine of
	// its own, so it may see our BYE first, and say that there was no ACK: its order,
	// not ours, is lost then. OnAck checks the ACK whenever it comes.
	_ = d.RespondSDP([]byte(sdpBody))
}

func (p *sipgoPhone) referred(req *gosip.Request, tx gosip.ServerTransaction) {
	if !p.authorized(req, tx) {
		return
	}
	p.check("202", tx.Respond(gosip.NewResponseFromRequest(req, 202, "Accepted", nil)))
	p.referTo <- req.GetHeader("Refer-To").Value()
	for _, n := range [][2]string{
		{"active;expires=60", "SIP/2.0 100 Trying"}, {"active;expires=60", "SIP/2.0 180 Ringing"}, {"terminated;reason=noresource", "SIP/2.0 200 OK"},
	} {
		p.notify(fmt.Sprint("refer;id=", req.CSeq().SeqNo), n[0], n[1])
	}
}

func (p *sipgoPhone) notify(event, state, frag string) {
	d := p.dialog.Load()
	req := gosip.NewRequest(gosip.NOTIFY, d.InviteRequest.Contact().Address)
	req.AppendHeader(gosip.NewHeader("Event", event))
	req.AppendHeader(gosip.NewHeader("Subscription-State", state))
	req.AppendHeader(gosip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody([]byte(frag + "\r\n"))
	resp, err := d.Do(p.Context(), req)
	p.check("NOTIFY "+frag, err)
	if err == nil && resp.StatusCode != gosip.StatusOK {
		p.Errorf("NOTIFY %q got %s", frag, resp.String())
	}
}

// TestSipgo is a whole call with sipgo at the other end, over real sockets.
func TestSipgo(t *testing.T) {
	for _, protocol := range []string{"udp", "tcp"} {
		t.Run(protocol, func(t *testing.T) {
			p, addr := newSipgoPhone(t, protocol)
			uri := "sip:127.0.0.1:" + strconv.Itoa(int(addr.Port())) + ";transport=" + protocol
			l := newLab(t, options{real: true, tcp: true, proxy: uri, server: netip.MustParseAddrPort("127.0.0.1:0")})
			defer l.close()
			r := l.place()
			select {
			case <-p.hungUp:
			case <-time.After(20 * time.Second):
				t.Fatalf("no BYE came; rows %q", rows(r))
			}
			if got := <-p.referTo; got != "<sip:202@example.com>" {
				t.Errorf("Refer-To %q", got)
			}
			l.over(r)
			l.wantRows(r, "INVITE SIP/2.0 407 Proxy Authentication Required", rowRinging, rowAnswered,
				"NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK")
		})
	}
}

// over waits, in real time, until a call is over, and checks that it was completed
// and that nothing of it is left but transactions.
func (l *lab) over(r *engine.Running) {
	l.Helper()
	for deadline := time.Now().Add(10 * time.Second); l.engine.Len() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // Polling: there is no virtual time here.
	}
	if c := r.Snapshot(); c.State != call.Ended || c.Outcome.Result != call.Completed || l.engine.Len()+l.ua.Stats().Sessions > 0 {
		l.Errorf("%s %+v, %d calls, %+v", c.State, c.Outcome, l.engine.Len(), l.ua.Stats())
	}
}
