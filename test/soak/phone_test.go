package soak

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// phones is one user agent that is the phone of every party.
type phones struct {
	ua      *dialog.UA
	layer   *transport.Layer
	wheel   *timing.Wheel
	addr    netip.AddrPort
	past    atomic.Int64 // messages that did not come by the relay
	mu      sync.RWMutex
	closed  bool
	answers atomic.Uint64 // of plans: which call does what
}

func newPhones(tb testing.TB, front, back netip.AddrPort) *phones {
	tb.Helper()
	f := &phones{wheel: timing.New()}
	log := slog.New(slog.DiscardHandler)
	f.layer = transport.New(transport.Config{Net: roomy{}, Advertise: back.String(), Log: log}, func(m *sip.Message, from transport.Source) {
		if from.Addr != front {
			f.past.Add(1)
		}
		f.ua.Receive(m, from)
	})
	f.ua = dialog.New(dialog.Config{
		Transport: f.layer, Resolver: &transport.Resolver{}, Wheel: f.wheel, Log: log, UserAgent: "phone",
		Allow: []string{sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.REFER, sip.INFO}, Outside: f.outside,
	})
	addr, err := f.layer.Listen(context.Background(), transport.UDP, "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f.addr = addr
	return f
}

func (f *phones) close(tb testing.TB) {
	tb.Helper()
	f.mu.Lock()
	f.closed = true // What a phone still meant to do is off.
	f.mu.Unlock()
	if n := f.past.Load(); n > 0 {
		tb.Errorf("%d messages reached the phones past the relay", n)
	}
	if err := f.layer.Close(); err != nil {
		tb.Error(err)
	}
	f.wheel.Close()
}

// after does something later, unless the phones are closed by then.
func (f *phones) after(d time.Duration, do func()) {
	time.AfterFunc(d, func() {
		f.mu.RLock()
		defer f.mu.RUnlock()
		if !f.closed {
			do()
		}
	})
}

// plan is what a phone does in one call.
type plan struct {
	ring   time.Duration // from the INVITE to the answer
	answer int           // 0 for none
	ask    time.Duration // from the answer to a re-INVITE of its own; 0 for none
	bye    time.Duration // from the answer to hanging up; 0 for never
	takes  int           // what it says to a re-INVITE
	refer  int           // what it says to REFER
	report string        // its final sipfrag; "" for none
}

func draw(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 11)) //nolint:gosec // A test repeats its chances.
	p := plan{
		ring: upTo(r, 1500*time.Millisecond), answer: oneOf(r, 17, 200, 2, 486, 1, 0), takes: oneOf(r, 8, 200, 1, 488, 1, 491),
		refer: oneOf(r, 6, 202, 3, 405, 1, 603), report: oneOf(r, 7, "SIP/2.0 200 OK", 2, "SIP/2.0 486 Busy Here", 1, ""),
	}
	if r.IntN(3) == 0 {
		p.ask = time.Second + upTo(r, time.Second)
	}
	if r.IntN(3) > 0 {
		p.bye = 2*time.Second + upTo(r, 3*time.Second)
	}
	return p
}

// oneOf draws one of three, by their weights.
func oneOf[T any](r *rand.Rand, a int, x T, b int, y T, c int, z T) T {
	switch n := r.IntN(a + b + c); {
	case n < a:
		return x
	case n < a+b:
		return y
	default:
		return z
	}
}

func (f *phones) outside(in *transaction.Incoming) bool {
	if in.Msg.Method != sip.INVITE {
		return false
	}
	l := &leg{phones: f, plan: draw(f.answers.Add(1))}
	if l.invitation = f.ua.Accept(in, dialog.Incoming{ContactUser: "phone"}, l); l.invitation == nil {
		return true
	}
	l.invitation.Progress(180)
	f.after(l.plan.ring, l.act)
	return true
}

// leg is a call of a phone. It implements dialog.User.
type leg struct {
	phones     *phones
	plan       plan
	invitation *dialog.Invitation
	over       atomic.Bool
	asking     atomic.Bool
	told       atomic.Int64
}

// describe is the phone's session; whatever it is told, it is a later one (RFC 3264
// section 8).
func (l *leg) describe() []byte {
	return fmt.Appendf(nil, "v=0\r\no=phone 1 %d IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", l.told.Add(1))
}

func (l *leg) act() {
	p := &l.plan
	switch {
	case p.answer == 200:
		l.invitation.Answer("application/sdp", l.describe())
		if p.ask > 0 {
			l.phones.after(p.ask, l.ask)
		}
		if p.bye > 0 {
			l.phones.after(p.bye, l.hangUp)
		}
	case p.answer > 0:
		l.invitation.Reject(p.answer)
	}
}

// hangUp waits for the ACK of the 2xx (RFC 3261 section 15).
func (l *leg) hangUp() {
	switch {
	case l.over.Load():
	case !l.invitation.Confirmed():
		l.phones.after(time.Second, l.hangUp)
	case !l.over.Swap(true):
		s := l.invitation.Session
		s.Send(dialog.Sent{Method: sip.BYE, Done: func(*sip.Message, error) { s.Release() }})
	}
}

func (l *leg) ask() {
	if l.over.Load() || !l.invitation.Confirmed() || l.asking.Swap(true) {
		return
	}
	l.invitation.Session.Send(dialog.Sent{
		Method: sip.INVITE, ContentType: "application/sdp", Body: l.describe(),
		Done: func(resp *sip.Message, err error) {
			if err == nil && resp.Status < 300 {
				l.invitation.Session.Ack("", nil)
			}
		},
	})
}

// Request implements dialog.User.
func (l *leg) Request(s *dialog.Session, r *dialog.Request) {
	switch p := &l.plan; {
	case r.Msg.Method == sip.BYE:
		l.over.Store(true)
		r.Respond(200, nil, "", nil)
		s.Release()
	case r.Msg.Method == sip.REFER:
		r.Respond(p.refer, nil, "", nil)
		if p.refer == 202 {
			l.notify(s, "active", "SIP/2.0 100 Trying")
			if p.report != "" {
				l.phones.after(2*time.Second, func() { l.notify(s, "terminated", p.report) })
			}
		}
	case r.Msg.Method == sip.INVITE && p.takes == 200:
		r.Respond(200, nil, "application/sdp", l.describe())
	case r.Msg.Method == sip.INVITE:
		r.Respond(p.takes, nil, "", nil)
	default:
		r.Respond(200, nil, "", nil)
	}
}

func (l *leg) notify(s *dialog.Session, state, frag string) {
	s.Send(dialog.Sent{
		Method: sip.NOTIFY, ContentType: "message/sipfrag", Body: []byte(frag),
		Fields: []sip.Field{{Header: sip.Event, Name: "Event", Value: "refer"}, {Header: sip.SubscriptionState, Name: "Subscription-State", Value: state}},
	})
}

// Failed implements dialog.User: a CANCEL, or no ACK.
func (l *leg) Failed(s *dialog.Session, _ error) {
	l.over.Store(true)
	s.Release()
}

// The rest of dialog.User does not happen to who is called.
func (*leg) Progress(*dialog.Session, *sip.Message) {}
func (*leg) Answered(*dialog.Session, *sip.Message) {}
func (*leg) Rejected(*dialog.Session, *sip.Message) {}
func (*leg) Acked(*dialog.Session, *sip.Message)    {}
