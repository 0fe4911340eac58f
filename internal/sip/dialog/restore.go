package dialog

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"callcontroller/internal/pack"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// Save adds to b what Restore needs to make the session again in another process.
func (s *Session) Save(b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	hop := s.hop
	seq, late := uint32(0), s.lostAnswer
	if x := s.setup; x != nil {
		seq = x.seq
		if x.late && !x.lost {
			late = x.seq
		}
		if x.tx != nil && s.outcome == pending {
			hop = []transport.Target{x.tx.Target()}
		}
	}
	b = pack.Uint(pack.Uint(pack.String(b, s.contact), seq), late)
	b = pack.Uint(b, uint64(len(hop)))
	for _, t := range hop {
		b = saveTarget(b, t)
	}
	b = pack.Bools(b, s.bound != nil, s.outcome == answered, s.dialog != nil, s.ackSent)
	if s.bound != nil {
		b = saveTarget(b, *s.bound)
	}
	if d := s.dialog; d != nil {
		b = pack.String(pack.String(b, d.text), d.RemoteTag)
		b = pack.Uint(pack.Uint(b, d.inviteSeq), d.localSeq)
	}
	return b
}

func saveTarget(b []byte, t transport.Target) []byte {
	b = pack.Uint(b, t.Protocol)
	start := len(b)
	return pack.Enclose(t.Addr.AppendTo(b), start)
}

// Restore makes a session that was saved by another process age ago, under its name, and
// nothing more than that: Reach follows when messages can be sent. saved is empty for
// one whose INVITE was about to leave.
func (ua *UA) Restore(name Name, saved []byte, age time.Duration, account *digest.Credentials, user Caller) (*Session, error) {
	s := &Session{ua: ua, user: user, account: account, sipCallID: name.SIPCallID, localTag: name.Tag}
	if len(saved) == 0 {
		s.setup = &setup{seq: 1}
	} else if err := s.restore(pack.NewReader(saved), age); err != nil {
		return nil, fmt.Errorf("restore a session: %w", err)
	}
	ua.sessions.add(s.localTag, s)
	return s, nil
}

func (s *Session) restore(r *pack.Reader, age time.Duration) error {
	s.contact = r.String()
	seq, late := number(r), number(r)
	for range r.Uint(math.MaxUint8) {
		s.hop = append(s.hop, restoreTarget(r))
	}
	var bound, stands, dialog bool
	if r.Bools(&bound, &stands, &dialog, &s.ackSent); bound {
		t := restoreTarget(r)
		s.bound = &t
	}
	switch {
	case dialog:
		s.outcome = answered
		s.restoreDialog(r, age)
		s.setup = &setup{seq: seq, late: late != 0}
		if s.ackSent {
			s.setup, s.lostAnswer = nil, late
		}
	case stands:
		r.Fail()
	default:
		s.setup = &setup{seq: max(seq, 1)}
	}
	return r.Err()
}

func number(r *pack.Reader) uint32 { return uint32(r.Uint(math.MaxUint32)) } //nolint:gosec // as the line says

func restoreTarget(r *pack.Reader) transport.Target {
	t := transport.Target{Protocol: transport.Protocol(r.Uint(uint64(transport.WSS)))}
	var err error
	if t.Addr, err = netip.ParseAddrPort(r.String()); err != nil {
		r.Fail()
	}
	return t
}

// restoreDialog takes the dialog. How many requests have gone out in it since it was
// saved is not known: a request a second is more than there ever are, also when the clock
// was set back by two hours in the mean time, and CSeq numbers may leave some out
// (RFC 3261 section 12.2.2). Which was the last of the peer's is not known either: the
// next one tells.
func (s *Session) restoreDialog(r *pack.Reader, age time.Duration) {
	const besides = 2 * 3600
	d := &Dialog{text: r.String()}
	d.RemoteTag = RemoteTag(within(d.text, r.String()))
	d.inviteSeq, d.localSeq = number(r), number(r)
	d.localSeq += besides + uint32(max(0, min(age.Seconds(), math.MaxInt32/2)))
	if n := strings.Count(d.text, between); n < 2 || n > 2+maxRoutes || len(s.hop) == 0 {
		r.Fail()
		return
	}
	s.dialog = d
}

// Reach takes up what is under way of a restored session: an INVITE without a final
// response can be cancelled from then on, whether the peer has got it or not.
func (s *Session) Reach() {
	s.mu.Lock()
	open, hop := s.outcome == pending, s.hop
	s.mu.Unlock()
	switch {
	case !open:
	case len(hop) > 0:
		s.resume(hop, nil)
	default:
		s.ua.resolve(s.ua.hopOf(s.describe().Target, false), s.resume)
	}
}

// resume takes up the transaction of the INVITE; and that of the one with credentials,
// which may have followed it when it was challenged. That is given up at once.
func (s *Session) resume(hop []transport.Target, err error) {
	if err != nil {
		s.fail(err)
		return
	}
	o := s.describe()
	o.Body = nil
	s.mu.Lock()
	s.hop = hop
	if s.contact == "" {
		s.contact = s.ua.contact(o.ContactUser, hop[0])
	}
	seq := s.setup.seq
	s.mu.Unlock()
	if s.account != nil && s.account.Username != "" {
		s.resumed(o, seq+1, successor{s}).Cancel()
	}
	s.took(s.resumed(o, seq, s), seq)
}

func (s *Session) resumed(o Outgoing, seq uint32, user transaction.User) *transaction.Client {
	return s.ua.layer.Resume(s.localTag.branch(seq), s.invite(o, seq, s.hop[0]), s.hop[0], user)
}

// successor is the user of an INVITE that may have followed the one that was saved. All
// that matters is a phone that answers it: it is hung up.
type successor struct{ session *Session }

// Response implements transaction.User.
func (u successor) Response(tx *transaction.Client, resp *sip.Message) {
	if resp.Status >= 200 && resp.Status < 300 {
		u.session.success(tx, resp)
	}
}

// Failed implements transaction.User.
func (successor) Failed(*transaction.Client, error) {}

// Unanswered tells that the dialog stands without our first ACK.
func (s *Session) Unanswered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialog != nil && !s.ackSent
}

// strayed tells a 2xx to an INVITE of ours in a restored dialog of which nobody is left
// who waits for it; s.mu is held. One whose ACK had the answer to the peer's offer is
// none: that cannot be said again.
func (s *Session) strayed(resp *sip.Message, seq uint32) bool {
	return s.setup == nil && s.dialog != nil && s.dialog.RemoteTag == RemoteTag(resp.ToTag()) && seq != s.lostAnswer &&
		resp.Status >= 200 && resp.Status < 300
}
