package dialog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"weak"

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

// Outgoing describes an INVITE. Every try of it, as after a challenge, is made from a
// description of its own, so that nothing but that is kept while a phone rings.
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

	mu        sync.Mutex
	describe  func() Outgoing // nil when the attempt has failed, or was not ours
	seq       uint32          // CSeq number of the INVITE as sent last, or of the re-INVITE that got a 2xx last
	auth      *digest.Attempt
	answers   []digest.Field                   // the credentials that this INVITE carried
	tx        weak.Pointer[transaction.Client] // of this INVITE; its layer holds it as long as it lives
	hop       []transport.Target               // where requests inside the dialog go
	bound     transport.Target                 // the hop for which account is; zero when it is for none
	contact   string                           // our own, as sent
	localTag  LocalTag
	sipCallID string
	outcome   outcome
	cancel    *[]sip.Field // wanted, with these fields
	dialog    *Dialog      // of the first 2xx
	early     []peer
	rare      *rare
	ackSent   bool // for the last 2xx, which is kept by tx; or not ours to send
	ended     bool // a BYE was sent or has come
	late      bool // the INVITE had no SDP: the peer makes the offer
	lost      bool // the INVITE has ended without a final response, see linger
	unacked   unacked
}

// rare is what most sessions never need.
type rare struct {
	reliable []reliable
	forks    []*Dialog // further 2xx, to be ended
	minSE    uint32    // the interval that a 422 asked for, 0 for none
}

// rarely gives the room for it; s.mu is held.
func (s *Session) rarely() *rare {
	if s.rare == nil {
		s.rare = new(rare)
	}
	return s.rare
}

// unacked is our 2xx to an INVITE of the peer that has no ACK yet. There is one at
// most: a further INVITE shows that the peer has the 2xx (section 14.1).
type unacked struct {
	tx  *transaction.Server // nil for none
	seq uint32              // CSeq number of the INVITE
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
// the next hop is one for which it is. describe must give the same each time; it and user may be
// called before Invite returns. sipCallID is the Call-ID, as sip.NewCallID makes it.
func (ua *UA) Invite(sipCallID string, describe func() Outgoing, account *digest.Credentials, user User) *Session {
	s := &Session{
		ua: ua, user: user, account: account, describe: describe, seq: 1,
		localTag: newLocalTag(), sipCallID: sipCallID,
	}
	o := describe()
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
		s.bound = targets[0]
	}
	auth := s.ua.attempt(s.account, targets, s.bound)
	credentials := preemptive(auth, sip.INVITE, o.Target.String())
	if len(credentials) > 0 {
		s.auth = auth // Else a challenge begins a new one.
	}
	s.mu.Unlock()
	s.sendInvite(o, credentials)
}

// request makes the INVITE of RFC 3261 section 8.1.1 but for Via and credentials.
func (s *Session) request(o Outgoing, seq uint32, t transport.Target) *sip.Message {
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
	if s.cancel != nil || s.outcome != pending {
		s.mu.Unlock()
		s.fail(transaction.ErrTimeout)
		return
	}
	s.answers = credentials
	targets, seq := s.hop, s.seq
	s.mu.Unlock()
	req := s.request(o, seq, targets[0])
	s.mu.Lock()
	s.late = len(req.Body) == 0
	s.mu.Unlock()
	addCredentials(req, credentials)
	tx, err := s.ua.layer.Request(req, targets, s)
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
	if s.outcome != pending || s.seq != seq {
		s.mu.Unlock()
		return
	}
	s.tx = weak.Make(tx)
	cancel := s.cancel
	s.mu.Unlock()
	if cancel != nil {
		tx.Cancel(*cancel...)
	}
}

// Cancel gives up an INVITE that has no final response. The User hears how it
// ends: Rejected (usually 487), Failed, or Answered when a 2xx crossed the CANCEL.
func (s *Session) Cancel(fields ...sip.Field) {
	s.mu.Lock()
	if s.outcome != pending || s.cancel != nil {
		s.mu.Unlock()
		return
	}
	s.cancel = &fields
	tx := s.tx.Value()
	s.mu.Unlock()
	if tx != nil {
		tx.Cancel(fields...)
	}
}

// Release lets go of the session: requests inside its dialog get 481 from now on. One
// whose INVITE was given up lingers for a late 2xx.
func (s *Session) Release() {
	s.mu.Lock()
	lingers := s.lost
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
	return s.dialog != nil && len(s.dialog.routes) > 0
}

// Tags are those of the dialog; the remote one is "" until it stands.
func (s *Session) Tags() (LocalTag, RemoteTag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialog == nil {
		return s.localTag, ""
	}
	return s.localTag, s.dialog.RemoteTag
}

// SIPCallID is the session's Call-ID.
func (s *Session) SIPCallID() string { return s.sipCallID }

// fail ends an attempt that got no final response.
func (s *Session) fail(err error) {
	s.mu.Lock()
	was := s.outcome
	if was == pending {
		s.outcome, s.early, s.auth = over, nil, nil
		s.forgetReliable()
		if s.lost = len(s.hop) > 0 && errors.Is(err, transaction.ErrTimeout); !s.lost {
			s.describe = nil // Nothing has left, or nothing arrived.
		}
	}
	s.mu.Unlock()
	if was == pending {
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
	s.tx = weak.Make(tx) // The response may be faster than the return of Request.
	if tag := resp.ToTag(); tag != "" && resp.Status > 100 {
		s.noteEarly(RemoteTag(tag), resp)
	}
	cancel := s.cancel
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
	for i := range s.early {
		if s.early[i].RemoteTag != tag {
			continue
		}
		if resp.Status == 199 {
			s.early = slices.Delete(s.early, i, i+1)
		}
		return
	}
	if resp.Status != 199 && len(s.early) < maxEarly {
		s.early = append(s.early, peer{RemoteTag: RemoteTag(strings.Clone(string(tag)))})
	}
}
