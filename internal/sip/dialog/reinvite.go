package dialog

import (
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
)

// accepted takes a 2xx to a re-INVITE (RFC 3261 section 14.1). The User acknowledges
// the first; its repetitions bring that ACK again (section 13.2.2.4), and nothing
// before there is one.
func (q *requester) accepted(c *transaction.Client, resp *sip.Message) {
	s, seq := q.session, seqOf(resp)
	if ack := c.Kept(); ack != nil {
		s.repeat(ack)
		return
	}
	s.mu.Lock()
	first := !q.over && seq == q.seq
	if first {
		q.over = true
		q.dialog.inviteSeq = seq
		x := s.settingUp()
		x.seq, x.answers, x.tx, s.ackSent = seq, q.answers, c, false
	}
	known := s.invited(seq)
	s.mu.Unlock()
	switch {
	case first:
		s.refresh(resp, func() {
			s.ackForEnded()
			q.done(resp, nil)
		})
	case known:
		s.ackForEnded()
	default:
		s.ackStray(seq)
	}
}

// repeat sends an ACK again.
func (s *Session) repeat(ack []byte) {
	s.mu.Lock()
	hop := s.hop
	s.mu.Unlock()
	s.ua.send(hop, ack)
}

// ackForEnded acknowledges the 2xx to a re-INVITE that a BYE has crossed: the User
// may be done with the dialog (RFC 5407 section 3, row F17).
func (s *Session) ackForEnded() {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended {
		s.Ack("", nil)
	}
}

// ackStray acknowledges a 2xx of which the User will not hear: one behind a refusal
// of the same re-INVITE, as of a proxy that forked it, or behind a challenge.
func (s *Session) ackStray(seq uint32) {
	s.mu.Lock()
	hop := s.hop
	ack := s.ua.ackBytes(s.ackOf(s.dialog, seq, hop), hop[0])
	s.mu.Unlock()
	s.ua.send(hop, ack)
}
