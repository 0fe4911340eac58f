package model

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

// phone is a user agent that follows its plan in each of its calls.
type phone struct {
	plan  plan
	addr  netip.AddrPort
	ua    *dialog.UA
	layer *transport.Layer
	wheel *timing.Wheel
}

func addrOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(21 + i)}), 5060)
}

func uriOf(i int) string { return fmt.Sprintf("sip:%d@%s", 201+i, addrOf(i)) }

func newPhone(t *testing.T, n *memnet.Network, i int, p plan) *phone {
	t.Helper()
	f := &phone{plan: p, addr: addrOf(i), wheel: timing.New()}
	log := slog.New(slog.DiscardHandler)
	f.layer = transport.New(transport.Config{Net: n.Host(f.addr.Addr()), Log: log}, func(m *sip.Message, from transport.Source) { f.ua.Receive(m, from) })
	f.ua = dialog.New(dialog.Config{
		Transport: f.layer, Resolver: &transport.Resolver{}, Wheel: f.wheel, Log: log, UserAgent: "phone",
		Allow: []string{sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.REFER, sip.INFO}, Outside: f.outside,
	})
	if _, err := f.layer.Listen(t.Context(), transport.UDP, f.addr.String()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *phone) close() {
	_ = f.layer.Close()
	f.wheel.Close()
}

func (f *phone) outside(in *transaction.Incoming) bool {
	if in.Msg.Method != sip.INVITE {
		return false
	}
	l := &leg{phone: f}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.invitation = f.ua.Accept(in, dialog.Incoming{ContactUser: "phone"}, l); l.invitation == nil {
		return true
	}
	l.session = l.invitation.Session
	l.invitation.Progress(180)
	time.AfterFunc(f.plan.ring, l.act)
	return true
}

// leg is a call of a phone.
type leg struct {
	phone      *phone
	invitation *dialog.Invitation
	session    *dialog.Session

	mu      sync.Mutex
	version int
	said    string
	asking  bool
	over    bool
}

// describe is the phone's own session, with the version that RFC 3264 section 8 wants.
func (l *leg) describe(direction string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	ip := l.phone.addr.Addr()
	rest := fmt.Sprintf("s=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=%s\r\n", ip, direction)
	if rest != l.said {
		l.version++
		l.said = rest
	}
	return fmt.Appendf(nil, "v=0\r\no=phone 1 %d IN IP4 %s\r\n%s", l.version, ip, rest)
}

func (l *leg) act() {
	p := &l.phone.plan
	switch p.answer {
	case yes:
		l.invitation.Answer("application/sdp", l.describe("sendrecv"))
		for _, a := range p.asks {
			time.AfterFunc(a.after, func() { l.ask(a) })
		}
		if p.bye > 0 {
			time.AfterFunc(p.bye, l.hangUp)
		}
	case never:
	default:
		l.invitation.Reject(int(p.answer))
	}
}

// hangUp waits for the ACK of the 2xx (RFC 3261 section 15).
func (l *leg) hangUp() {
	switch {
	case l.ended():
	case !l.invitation.Confirmed():
		time.AfterFunc(time.Second, l.hangUp)
	default:
		l.end()
		l.session.Send(dialog.Sent{Method: sip.BYE, Done: func(*sip.Message, error) { l.session.Release() }})
	}
}

func (l *leg) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

func (l *leg) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// ask sends a re-INVITE, unless one is under way.
func (l *leg) ask(a ask) {
	l.mu.Lock()
	if l.over || l.asking || !l.invitation.Confirmed() {
		l.mu.Unlock()
		return
	}
	l.asking = true
	l.mu.Unlock()
	s := dialog.Sent{Method: sip.INVITE, ContentType: "application/sdp", Done: func(resp *sip.Message, err error) { l.asked(a, resp, err) }}
	if a.sdp != "" {
		s.Body = l.describe(a.sdp)
	}
	l.session.Send(s)
}

func (l *leg) asked(a ask, resp *sip.Message, err error) {
	if err == nil && resp.Status < 300 {
		var body []byte
		if a.sdp == "" {
			body = l.describe("sendrecv")
		}
		l.session.Ack("application/sdp", body)
	}
	l.mu.Lock()
	l.asking = false
	l.mu.Unlock()
}

// Request implements dialog.User.
func (l *leg) Request(s *dialog.Session, r *dialog.Request) {
	p := &l.phone.plan
	switch r.Msg.Method {
	case sip.BYE:
		l.end()
		r.Respond(200, nil, "", nil)
		s.Release()
	case sip.INVITE:
		time.AfterFunc(p.thinks, func() { l.reinvited(r) })
	case sip.REFER:
		if p.refer != 0 {
			r.Respond(p.refer, nil, "", nil)
		}
		if p.refer == 202 {
			l.notify("active", "SIP/2.0 100 Trying")
			if p.report != "" {
				time.AfterFunc(p.thinks, func() { l.notify("terminated", p.report) })
			}
		}
	default:
		r.Respond(200, nil, "", nil)
	}
}

func (l *leg) reinvited(r *dialog.Request) {
	p := &l.phone.plan
	switch {
	case l.ended():
		r.Respond(487, nil, "", nil)
	case p.takes == yes:
		r.Respond(200, nil, "application/sdp", l.describe("sendrecv"))
	case p.takes == never:
		r.Respond(100, nil, "", nil)
	default:
		r.Respond(int(p.takes), nil, "", nil)
	}
}

func (l *leg) notify(state, frag string) {
	l.session.Send(dialog.Sent{
		Method: sip.NOTIFY, ContentType: "message/sipfrag", Body: []byte(frag),
		Fields: []sip.Field{{Header: sip.Event, Name: "Event", Value: "refer"}, {Header: sip.SubscriptionState, Name: "Subscription-State", Value: state}},
	})
}

// Failed implements dialog.User: a CANCEL, or no ACK.
func (l *leg) Failed(s *dialog.Session, _ error) {
	l.end()
	s.Release()
}

// The rest of dialog.User does not happen to who is called.
func (l *leg) Progress(*dialog.Session, *sip.Message) {}
func (l *leg) Answered(*dialog.Session, *sip.Message) {}
func (l *leg) Rejected(*dialog.Session, *sip.Message) {}
func (l *leg) Acked(*dialog.Session, *sip.Message)    {}

// withoutOrigin cuts the o= line out of a description.
func withoutOrigin(body string) (origin, rest string) {
	var b strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "o=") {
			origin = strings.TrimSpace(line)
			continue
		}
		b.WriteString(line)
	}
	return origin, b.String()
}
