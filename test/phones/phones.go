// Package phones has phones for tests, on the project's own stack: each call follows a
// plan, as phones and people would. They are for volume and for disorder; what is true
// of phones is told by real ones, in test/interop.
//
// They start no goroutine but those of their sockets, their timing wheel and of timers.
package phones

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// Plan is what a phone does in a call.
type Plan struct {
	Ring   time.Duration // from the INVITE to the answer
	Answer Answer
	Bye    time.Duration // from the answer to hanging up; 0 for never
	Asks   []Ask         // re-INVITEs of its own
	Takes  Answer        // what it says to a re-INVITE
	Thinks time.Duration // how long it needs for that
	Refer  int           // its answer to REFER; 0 for none
	Report string        // its final sipfrag; "" for none
}

// Ask is a re-INVITE of a phone.
type Ask struct {
	After time.Duration // from the answer
	SDP   string        // direction; "" for a re-INVITE without SDP
}

// Answer is what a phone says to an INVITE.
type Answer int

// The answers.
const (
	Yes   Answer = 200
	Busy  Answer = 486
	Never Answer = 0
	Late  Answer = 491
	No    Answer = 488
)

// Options of a Phone; all but Advertise are required.
type Options struct {
	Net       transport.Net
	Listen    string // UDP address
	Advertise string // what Via and Contact name, "" for the address itself
	// Plan gives what is done in a call to a user.
	Plan func(user string) Plan
}

// Phone is a user agent that follows a plan in each of its calls. Use New.
type Phone struct {
	options Options
	addr    netip.AddrPort
	ua      *dialog.UA
	layer   *transport.Layer
	wheel   *timing.Wheel
}

// New opens a phone.
func New(ctx context.Context, o Options) (*Phone, error) {
	f := &Phone{options: o, wheel: timing.New()}
	log := slog.New(slog.DiscardHandler)
	f.layer = transport.New(transport.Config{Net: o.Net, Advertise: o.Advertise, Log: log}, func(m *sip.Message, from transport.Source) { f.ua.Receive(m, from) })
	f.ua = dialog.New(dialog.Config{
		Transport: f.layer, Resolver: &transport.Resolver{}, Wheel: f.wheel, Log: log, UserAgent: "phone",
		Allow: []string{sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.REFER, sip.INFO}, Outside: f.outside,
	})
	addr, err := f.layer.Listen(ctx, transport.UDP, o.Listen)
	if err != nil {
		f.wheel.Close()
		return nil, err
	}
	f.addr = addr
	return f, nil
}

// Addr is where the phone listens.
func (f *Phone) Addr() netip.AddrPort { return f.addr }

// Sessions is how many calls the phone is in.
func (f *Phone) Sessions() int { return f.ua.Stats().Sessions }

// Close ends the phone.
func (f *Phone) Close() {
	_ = f.layer.Close()
	f.wheel.Close()
}

func (f *Phone) outside(in *transaction.Incoming) bool {
	if in.Msg.Method != sip.INVITE {
		return false
	}
	to, err := in.Msg.To()
	if err != nil {
		return false
	}
	l := &leg{phone: f, plan: f.options.Plan(to.URI.User)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.invitation = f.ua.Accept(in, dialog.Incoming{ContactUser: "phone"}, l); l.invitation == nil {
		return true
	}
	l.session = l.invitation.Session
	l.invitation.Progress(180)
	time.AfterFunc(l.plan.Ring, l.act)
	return true
}

// leg is a call of a phone.
type leg struct {
	phone      *Phone
	plan       Plan
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
	p := &l.plan
	switch p.Answer {
	case Yes:
		l.invitation.Answer("application/sdp", l.describe("sendrecv"))
		for _, a := range p.Asks {
			time.AfterFunc(a.After, func() { l.ask(a) })
		}
		if p.Bye > 0 {
			time.AfterFunc(p.Bye, l.hangUp)
		}
	case Never:
	default:
		l.invitation.Reject(int(p.Answer))
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
func (l *leg) ask(a Ask) {
	l.mu.Lock()
	if l.over || l.asking || !l.invitation.Confirmed() {
		l.mu.Unlock()
		return
	}
	l.asking = true
	l.mu.Unlock()
	s := dialog.Sent{Method: sip.INVITE, ContentType: "application/sdp", Done: func(resp *sip.Message, err error) { l.asked(a, resp, err) }}
	if a.SDP != "" {
		s.Body = l.describe(a.SDP)
	}
	l.session.Send(s)
}

func (l *leg) asked(a Ask, resp *sip.Message, err error) {
	if err == nil && resp.Status < 300 {
		var body []byte
		if a.SDP == "" {
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
	p := &l.plan
	switch r.Msg.Method {
	case sip.BYE:
		l.end()
		r.Respond(200, nil, "", nil)
		s.Release()
	case sip.INVITE:
		time.AfterFunc(p.Thinks, func() { l.reinvited(r) })
	case sip.REFER:
		if p.Refer != 0 {
			r.Respond(p.Refer, nil, "", nil)
		}
		if p.Refer == 202 {
			l.notify("active", "SIP/2.0 100 Trying")
			if p.Report != "" {
				time.AfterFunc(p.Thinks, func() { l.notify("terminated", p.Report) })
			}
		}
	default:
		r.Respond(200, nil, "", nil)
	}
}

func (l *leg) reinvited(r *dialog.Request) {
	p := &l.plan
	switch {
	case l.ended():
		r.Respond(487, nil, "", nil)
	case p.Takes == Yes:
		r.Respond(200, nil, "application/sdp", l.describe("sendrecv"))
	case p.Takes == Never:
		r.Respond(100, nil, "", nil)
	default:
		r.Respond(int(p.Takes), nil, "", nil)
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
