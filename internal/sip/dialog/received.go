package dialog

import (
	"errors"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// Why a challenge is not answered, as the log tells it.
var (
	errNoAccount = errors.New("there is no SIP account for this agent, nor one of the server's own")
	errNotBound  = errors.New("the credentials are not for the host that asks")
)

// Request is a request of the peer inside a dialog. Respond must be called once,
// at any time.
type Request struct {
	Msg     *sip.Message
	session *Session
	tx      *transaction.Server
}

// owns tells whether a request belongs to the session: the local tag matched
// already.
func (s *Session) owns(req *sip.Message) bool {
	if req.Get(sip.CallID) != s.sipCallID {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(RemoteTag(req.FromTag())) != nil
}

// find gives the peer with that tag, of the dialog or of an early one; s.mu is held
// as long as it is used.
func (s *Session) find(tag RemoteTag) *peer {
	if s.dialog != nil {
		if s.dialog.RemoteTag == tag {
			return &s.dialog.peer
		}
		return nil
	}
	if s.setup == nil {
		return nil
	}
	for i := range s.setup.early {
		if p := &s.setup.early[i]; p.RemoteTag == tag {
			return p
		}
	}
	return nil
}

// receive checks a request of the peer and hands it to the User (section 12.2.2).
func (s *Session) receive(in *transaction.Incoming) {
	cseq, err := in.Msg.CSeq()
	if err != nil {
		return
	}
	events := transaction.ServerEvents{} // It outlives the request: nothing of that is in it.
	if in.Msg.Method == sip.INVITE {
		events.Failed = s.noAck
	}
	r := &Request{Msg: in.Msg, session: s, tx: in.Accept(events)}
	if r.tx == nil {
		return // A retransmission that came in by another socket.
	}
	s.mu.Lock()
	p := s.find(RemoteTag(in.Msg.FromTag()))
	verdict := outOfOrder
	if p != nil {
		verdict = p.receive(cseq.Seq)
	}
	s.mu.Unlock()
	switch {
	case p == nil:
		r.Respond(481, nil, "", nil)
	case verdict == outOfOrder:
		r.Respond(500, []sip.Field{field(sip.RetryAfter, "1")}, "", nil)
	case verdict == repeated && in.Msg.Method == sip.NOTIFY:
		r.Respond(200, nil, "", nil) // The same report again: taken once.
	case verdict == repeated:
		r.Respond(500, nil, "", nil)
	default:
		s.dispatch(r)
	}
}

func (s *Session) dispatch(r *Request) {
	if status, fields := s.ua.generic(r.Msg); status != 0 {
		r.Respond(status, fields, "", nil)
		return
	}
	if r.Msg.Method == sip.BYE {
		s.end()
	}
	s.user.Request(s, r)
}

// Respond answers the request. fields are added to what every response has.
func (r *Request) Respond(status int, fields []sip.Field, contentType string, body []byte) {
	s := r.session
	resp := s.ua.response(r.Msg, status, s.localTag.String(), fields)
	if status < 300 && status > 100 && (r.Msg.Method == sip.INVITE || r.Msg.Method == sip.UPDATE) {
		resp.Add(sip.Contact, s.contact)
		s.refresh(r.Msg, func() {})
	}
	if status >= 200 && status < 300 && r.Msg.Method == sip.INVITE {
		s.awaitAck(r.tx, seqOf(r.Msg))
	}
	if len(body) > 0 {
		resp.Add(sip.ContentType, contentType)
		resp.Body = body
	}
	r.tx.Respond(resp)
}

// refresh takes a new remote target from a request that we accept, or from a 2xx to
// one of ours (sections 12.2.1.2 and 12.2.2, RFC 6141 section 4). then is called when
// the way to it is known; one that leads nowhere leaves the way as it was.
func (s *Session) refresh(m *sip.Message, then func()) {
	u, changed := s.retarget(m)
	if !changed {
		then()
		return
	}
	s.ua.resolve(u, func(hop []transport.Target, err error) {
		if err == nil {
			s.mu.Lock()
			s.hop = hop
			s.mu.Unlock()
		}
		then()
	})
}

// retarget makes the Contact of m the remote target, and tells by which URI requests
// go from now on, and whether that may lead elsewhere.
func (s *Session) retarget(m *sip.Message) (sip.URI, bool) {
	c, ok := m.Contact()
	if !ok || !c.URI.IsSIP() {
		return sip.URI{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dialog
	if d == nil {
		return sip.URI{}, false
	}
	changed := d.retarget(c.URI)
	u, err := s.ua.route(thaw(d.text))
	return u, err == nil && changed && !d.routed()
}

// awaitAck notes that the ACK of a 2xx is awaited, and of no 2xx before.
func (s *Session) awaitAck(tx *transaction.Server, seq uint32) {
	s.mu.Lock()
	before := s.unacked
	s.unacked, s.unackedSeq = tx, seq
	s.mu.Unlock()
	if before != nil {
		before.Acked()
	}
}

// end notes that a BYE was sent or has come. A re-INVITE of the peer that waits for
// its ACK ends with the dialog.
func (s *Session) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.noMoreAcks()
}

// noMoreAcks ends the wait for an ACK with the dialog.
func (s *Session) noMoreAcks() { s.awaitAck(nil, 0) }

// acked takes the ACK of a 2xx to an INVITE of the peer.
func (s *Session) acked(ack *sip.Message) {
	s.mu.Lock()
	tx := s.unacked
	if tx == nil || s.unackedSeq != seqOf(ack) {
		s.mu.Unlock()
		return // That of a 2xx before, or a repetition.
	}
	s.unacked = nil
	s.mu.Unlock()
	tx.Acked()
	s.user.Acked(s, ack)
}

// noAck ends the dialog when a 2xx never got its ACK (section 13.3.1.4). For a refusal,
// or in a dialog that has ended, a missing ACK means nothing.
func (s *Session) noAck(tx *transaction.Server, _ error) {
	s.mu.Lock()
	awaited := !s.ended && s.unacked == tx
	s.mu.Unlock()
	if !awaited {
		return
	}
	s.Send(Sent{Method: sip.BYE, Fields: []sip.Field{Reason(408, "ACK timeout")}})
	s.user.Failed(s, transaction.ErrNoAck)
}
