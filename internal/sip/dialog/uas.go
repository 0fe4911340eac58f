package dialog

import (
	"errors"
	"strings"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// ErrCancelled tells that the caller gave up before we had answered (RFC 3261
// section 9.2).
var ErrCancelled = errors.New("the caller gave up")

// Incoming describes how an INVITE that came to us is taken.
type Incoming struct {
	ContactUser string              // user part of our Contact
	Account     *digest.Credentials // nil for none; for our requests in the dialog; answered to the Proxy only
}

// Invitation is an INVITE that came to us outside any dialog and has no final
// answer yet. Its methods may be called at any time by anyone; after Answer, Reject
// or a CANCEL they do nothing.
type Invitation struct {
	Msg     *sip.Message
	Session *Session // its dialog is early until Answer

	tx *transaction.Server
}

// Accept takes an INVITE of Config.Outside into a session of its own (sections
// 12.1.1 and 13.3.1). The User hears of the requests that come inside the dialog,
// and is told Failed when a CANCEL came (ErrCancelled; 487 has been sent) or when
// the 2xx was never acknowledged (transaction.ErrNoAck; BYE has been sent). It may
// be called before Accept returns.
//
// Accept gives nil when nothing is left to be done: the INVITE asks for what is not
// supported, lacks what a dialog needs, or came twice; it is answered.
func (ua *UA) Accept(in *transaction.Incoming, o Incoming, user User) *Invitation {
	if status, fields := unsupported(in.Msg); status != 0 {
		ua.reply(in, status, fields...)
		return nil
	}
	tag := newLocalTag()
	d, err := fromRequest(in.Msg, tag)
	if err != nil {
		ua.reply(in, 400, field(sip.Warning, "399 "+ua.config.UserAgent+" "+sip.Quote(err.Error())))
		return nil
	}
	i := &Invitation{Msg: in.Msg, Session: &Session{
		ua: ua, user: user, account: o.Account, dialog: d, localTag: tag, sipCallID: strings.Clone(in.Msg.Get(sip.CallID)),
		contact: ua.contact(o.ContactUser, in.From.Target),
		ackSent: true, // An ACK is owed to us, not by us.
	}}
	ua.sessions.add(tag, i.Session)
	if !i.begin(in) {
		i.Session.Release() // Another read loop was faster with the same request.
		return nil
	}
	ua.resolveDialog(d, i.Session.found)
	return i
}

// begin takes the transaction. The lock keeps a CANCEL that comes on another
// connection until the transaction is known here.
func (i *Invitation) begin(in *transaction.Incoming) bool {
	i.Session.mu.Lock()
	defer i.Session.mu.Unlock()
	i.tx = in.Accept(transaction.ServerEvents{Cancelled: i.cancelled, Failed: i.Session.noAck})
	return i.tx != nil
}

// found takes the next hop of the dialog that a caller began. Our credentials are
// for the configured proxy only (row U17).
func (s *Session) found(hop []transport.Target, err error) {
	if err != nil {
		s.ua.config.Log.Warn("no way back to the caller", "sip_call_id", s.sipCallID, "error", err)
		return
	}
	proxy, known := s.ua.config.Resolver.Numeric(s.ua.config.Proxy)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hop = hop
	if known && proxy.Addr == hop[0].Addr {
		s.bound = &hop[0]
	}
}

// settle notes how the INVITE ends and tells whether that was still open.
func (i *Invitation) settle(o outcome) bool {
	s := i.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.finish(o) {
		return false
	}
	if o == answered {
		s.unacked, s.unackedSeq = i.tx, seqOf(i.Msg) // As that of a re-INVITE.
	}
	return true
}

// Progress sends a provisional response above 100, such as 180.
func (i *Invitation) Progress(status int, fields ...sip.Field) {
	i.tx.Respond(i.dialogResponse(status, fields))
}

// Answer sends the 2xx. It is repeated until its ACK comes.
func (i *Invitation) Answer(contentType string, body []byte) {
	if !i.settle(answered) {
		return
	}
	resp := i.dialogResponse(200, []sip.Field{field(sip.Supported, "")})
	if len(body) > 0 {
		resp.Add(sip.ContentType, contentType)
		resp.Body = body
	}
	i.tx.Respond(resp)
}

// Reject sends a final response above 2xx and lets go of the session.
func (i *Invitation) Reject(status int, fields ...sip.Field) {
	if !i.settle(over) {
		return
	}
	s := i.Session
	s.Release()
	i.tx.Respond(s.ua.response(i.Msg, status, s.localTag.String(), fields))
}

// dialogResponse is a response that makes the dialog: it has our Contact, and the
// Record-Route of the request (section 12.1.1).
func (i *Invitation) dialogResponse(status int, fields []sip.Field) *sip.Message {
	s := i.Session
	resp := s.ua.response(i.Msg, status, s.localTag.String(), fields)
	for _, f := range i.Msg.Fields {
		if f.Header == sip.RecordRoute {
			resp.Add(sip.RecordRoute, f.Value)
		}
	}
	resp.Add(sip.Contact, s.contact)
	return resp
}

func (i *Invitation) cancelled() {
	if !i.settle(over) {
		return
	}
	s := i.Session
	i.tx.Respond(s.ua.response(i.Msg, 487, s.localTag.String(), nil))
	s.user.Failed(s, ErrCancelled)
}

// Confirmed tells whether our 2xx has its ACK. Until then a callee must not send BYE
// (section 15).
func (i *Invitation) Confirmed() bool {
	s := i.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcome == answered && s.unacked != i.tx
}
