package dialog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// User is told what happens to a session. Its methods are called on a read loop,
// the timing wheel or the goroutine of a look-up, in order, and must not block.
type User interface {
	// Progress is a provisional response, or a challenge that is being answered.
	Progress(s *Session, resp *sip.Message)
	// Answered is the first 2xx: the dialog stands and Ack is owed.
	Answered(s *Session, resp *sip.Message)
	// Rejected is the final response above 2xx that ends the attempt.
	Rejected(s *Session, resp *sip.Message)
	// Failed ends the attempt without a response: errors.Is(err,
	// transaction.ErrTimeout) or transaction.ErrTransport.
	Failed(s *Session, err error)
	// Request is a request of the peer inside the dialog, to be answered by r.
	Request(s *Session, r *Request)
	// Acked is the ACK of our 2xx to an INVITE of the peer, told once. It has SDP when
	// that 2xx made the offer.
	Acked(s *Session, ack *sip.Message)
}

// Caller is the User of a session that it begins.
type Caller interface {
	User
	// Outgoing describes the INVITE, the same each time, as long as the session lives.
	// It must not call the session.
	Outgoing() Outgoing
}

// Outgoing describes an INVITE. Every try of it, as after a challenge, and our From in
// its dialog are made from a description of their own, so that nothing of it is kept.
type Outgoing struct {
	Target      sip.URI      // Request-URI
	From, To    sip.NameAddr // without tags
	ContactUser string       // user part of our Contact
	Fields      []sip.Field  // further ones, such as Subject
	// Expires is the session interval that is asked for, in seconds; 0 for an INVITE
	// without a session timer (RFC 4028).
	Expires     uint32
	ContentType string // of the body
	// Body makes the offer, nil for an INVITE without SDP, when our own address
	// towards the next hop is known; host is without brackets, as SDP wants it.
	Body func(host string) []byte
}

// Session is an INVITE and the dialog that it makes.
type Session struct {
	ua      *UA
	user    User
	account *digest.Credentials // shared, never changed; nil for none

	sipCallID string
	localTag  LocalTag

	mu      sync.Mutex
	contact string             // our own, as sent
	hop     []transport.Target // where requests inside the dialog go; shared, never changed
	bound   *transport.Target  // the hop for which account is; nil when it is for none
	dialog  *Dialog            // of the first 2xx
	setup   *setup             // of the INVITE of ours; nil when its transaction is over, or has failed
	// unacked is our 2xx to an INVITE of the peer that has no ACK yet, nil for none. There
	// is one at most: a further INVITE shows that the peer has the 2xx (section 14.1).
	unacked    *transaction.Server
	unackedSeq uint32 // CSeq number of that INVITE
	lostAnswer uint32 // CSeq number of an INVITE whose ACK had the answer, which is lost; 0 for none, see Restore
	outcome    outcome
	ackSent    bool // for the last 2xx, which is kept by its transaction; or not ours to send
	ended      bool // a BYE was sent or has come
}

// maxEarly bounds the dialogs that one forked INVITE may make.
const maxEarly = 64

type outcome uint8

const (
	pending outcome = iota
	answered
	over
)

// Invite starts a session. Challenges are answered with account, if there is one and
// the next hop is one for which it is. user may be called before Invite returns.
// No two sessions have the same name.
func (ua *UA) Invite(name Name, account *digest.Credentials, user Caller) *Session {
	s := &Session{ua: ua, user: user, account: account, sipCallID: name.SIPCallID, localTag: name.Tag, setup: &setup{seq: 1}}
	o := user.Outgoing()
	ua.sessions.add(s.localTag, s)
	ua.resolve(ua.hopOf(o.Target, false), func(targets []transport.Target, err error) { s.begin(o, targets, err) })
	return s
}

// begin sends the first INVITE when its next hop is known.
func (s *Session) begin(o Outgoing, targets []transport.Target, err error) {
	if err == nil {
		if targets = s.ua.resting.awake(targets); len(targets) == 0 {
			err = fmt.Errorf("%w: %w", transaction.ErrTransport, errResting)
		}
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.mu.Lock()
	s.hop = targets
	s.contact = s.ua.contact(o.ContactUser, targets[0])
	if s.ua.config.Proxy.Host != "" || strings.EqualFold(o.Target.Host, s.ua.config.Domain) {
		s.bound = &targets[0]
	}
	auth := s.ua.attempt(s.account, targets, s.bound)
	credentials := preemptive(auth, sip.INVITE, o.Target.String())
	if len(credentials) > 0 {
		s.setup.auth = auth // Else a challenge begins a new one.
	}
	s.mu.Unlock()
	s.sendInvite(o, credentials)
}

// invite makes the INVITE of RFC 3261 section 8.1.1 but for Via and credentials.
func (s *Session) invite(o Outgoing, seq uint32, t transport.Target) *sip.Message {
	req := sip.NewRequest(sip.INVITE, o.Target.String())
	if p := s.ua.config.Proxy; p.Host != "" {
		p.Params = p.Params.With("lr", "")
		req.Add(sip.Route, "<"+p.String()+">")
	}
	req.Add(sip.MaxForwards, "70")
	req.Add(sip.From, s.from(o))
	req.Add(sip.To, o.To.String())
	req.Add(sip.CallID, s.sipCallID)
	req.Add(sip.CSeq, strconv.FormatUint(uint64(seq), 10)+" INVITE")
	req.Add(sip.Contact, s.contact)
	req.Add(sip.Allow, s.ua.allow)
	s.addTimer(req, o.Expires)
	req.Add(sip.UserAgent, s.ua.config.UserAgent)
	req.Fields = append(req.Fields, o.Fields...)
	if req.Body = s.ua.body(o, t); len(req.Body) > 0 {
		req.Add(sip.ContentType, o.ContentType)
	}
	return req
}

// from is our From, tag included.
func (s *Session) from(o Outgoing) string {
	o.From.Params = o.From.Params.With("tag", s.localTag.String())
	return o.From.String()
}

func (ua *UA) body(o Outgoing, t transport.Target) []byte {
	if o.Body == nil {
		return nil
	}
	host, _ := ua.config.Transport.SentBy(t)
	return o.Body(strings.Trim(host, "[]"))
}

// contact is our Contact towards a hop. Sessions one after the other share the text
// when it is the same: most go to one proxy.
func (ua *UA) contact(user string, t transport.Target) string {
	host, port := ua.config.Transport.SentBy(t)
	u := sip.URI{Scheme: "sip", User: sip.EscapeUser(user), Host: host, Port: port}
	if t.Protocol != transport.UDP {
		u.Params = u.Params.With("transport", t.Protocol.Param())
	}
	value := "<" + u.String() + ">"
	if last := ua.lastContact.Load(); last != nil && *last == value {
		return *last
	}
	ua.lastContact.Store(&value)
	return value
}

// sendInvite sends the INVITE with these credentials.
func (s *Session) sendInvite(o Outgoing, credentials []digest.Field) {
	s.mu.Lock()
	if !s.calling() {
		s.mu.Unlock()
		s.fail(transaction.ErrTimeout)
		return
	}
	s.setup.answers = credentials
	targets, seq := s.hop, s.setup.seq
	s.mu.Unlock()
	req := s.invite(o, seq, targets[0])
	s.mu.Lock()
	if s.setup != nil {
		s.setup.late = len(req.Body) == 0
	}
	s.mu.Unlock()
	addCredentials(req, credentials)
	tx, err := s.ua.layer.RequestAs(s.localTag.branch(seq), req, targets, s)
	if err != nil {
		s.fail(err)
		return
	}
	s.took(tx, seq)
}

// took notes the transaction of the INVITE with that CSeq. A challenge may have
// been faster, so that a newer INVITE is under way already.
func (s *Session) took(tx *transaction.Client, seq uint32) {
	s.mu.Lock()
	if s.outcome != pending || !s.invited(seq) {
		s.mu.Unlock()
		return
	}
	s.setup.tx = tx
	cancel := s.setup.cancel
	s.mu.Unlock()
	if cancel != nil {
		tx.Cancel(*cancel...)
	}
}

// Cancel gives up an INVITE that has no final response. The User hears how it
// ends: Rejected (usually 487), Failed, or Answered when a 2xx crossed the CANCEL.
func (s *Session) Cancel(fields ...sip.Field) {
	s.mu.Lock()
	if !s.calling() {
		s.mu.Unlock()
		return
	}
	s.setup.cancel = &fields
	tx := s.setup.tx
	s.mu.Unlock()
	if tx != nil {
		tx.Cancel(fields...)
	}
}

// Release lets go of the session: requests inside its dialog get 481 from now on. One
// whose INVITE was given up lingers for a late 2xx.
func (s *Session) Release() {
	s.mu.Lock()
	lingers := s.setup != nil && s.setup.lost
	s.mu.Unlock()
	if lingers {
		s.linger()
		return
	}
	s.ua.sessions.remove(s.localTag)
}

// Routed tells whether requests inside the dialog pass a proxy: whether its route
// set is not empty.
func (s *Session) Routed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialog != nil && s.dialog.routed()
}

// Tags are those of the dialog, or of the early dialog that was made last; the remote
// one is "" before there is any.
func (s *Session) Tags() (LocalTag, RemoteTag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dialog != nil:
		return s.localTag, s.dialog.RemoteTag
	case s.setup != nil && len(s.setup.early) > 0:
		return s.localTag, s.setup.early[len(s.setup.early)-1].RemoteTag
	default:
		return s.localTag, ""
	}
}

// SIPCallID is the session's Call-ID.
func (s *Session) SIPCallID() string { return s.sipCallID }

// fail ends an attempt that got no final response.
func (s *Session) fail(err error) {
	s.mu.Lock()
	was := s.finish(over)
	if was && s.setup != nil {
		if s.setup.lost = len(s.hop) > 0 && errors.Is(err, transaction.ErrTimeout); !s.setup.lost {
			s.setup = nil // Nothing has left, or nothing arrived.
		}
	}
	s.mu.Unlock()
	if was {
		s.user.Failed(s, err)
	}
}

// Failed implements transaction.User for the INVITE.
func (s *Session) Failed(_ *transaction.Client, err error) { s.fail(err) }

// Response implements transaction.User for the INVITE.
func (s *Session) Response(tx *transaction.Client, resp *sip.Message) {
	switch {
	case resp.Status < 200:
		s.provisional(tx, resp)
	case resp.Status < 300:
		s.success(tx, resp)
	case resp.Status == 401 || resp.Status == 407:
		s.challenged(resp)
	case resp.Status == 422:
		s.tooSmall(resp)
	case resp.Status == 503:
		s.unavailable(tx, resp)
	default:
		s.reject(resp)
	}
}

func (s *Session) provisional(tx *transaction.Client, resp *sip.Message) {
	s.mu.Lock()
	if s.outcome != pending {
		s.mu.Unlock()
		return
	}
	s.setup.tx = tx // The response may be faster than the return of Request.
	if tag := resp.ToTag(); tag != "" && resp.Status > 100 {
		s.noteEarly(RemoteTag(tag), resp)
	}
	cancel := s.setup.cancel
	s.mu.Unlock()
	if cancel != nil {
		tx.Cancel(*cancel...)
	}
	if seq := reliableSeq(resp); seq != 0 && !s.takeReliable(resp, seq) {
		return
	}
	s.user.Progress(s, resp)
}

// noteEarly keeps the early dialogs of a fork apart (section 12.1.2); 199 ends one
// (RFC 6228). s.mu is held.
func (s *Session) noteEarly(tag RemoteTag, resp *sip.Message) {
	x := s.setup
	for i := range x.early {
		if x.early[i].RemoteTag != tag {
			continue
		}
		if resp.Status == 199 {
			x.early = slices.Delete(x.early, i, i+1)
		}
		return
	}
	if resp.Status != 199 && len(x.early) < maxEarly {
		x.early = append(x.early, peer{RemoteTag: RemoteTag(strings.Clone(string(tag)))})
	}
}
