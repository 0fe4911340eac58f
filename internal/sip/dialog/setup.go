package dialog

import (
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
)

// setup is what a session needs as long as the transaction of its last INVITE lives: a
// dialog that stands for hours has none.
type setup struct {
	tx      *transaction.Client // of this INVITE; nil until it is known
	auth    *digest.Attempt
	answers []digest.Field // the credentials that this INVITE carried
	cancel  *[]sip.Field   // wanted, with these fields
	early   []peer
	rare    *rare
	seq     uint32 // CSeq number of the INVITE as sent last, or of the re-INVITE that got a 2xx last
	late    bool   // the INVITE had no SDP: the peer makes the offer
	lost    bool   // the INVITE has ended without a final response, see linger
}

// rare is what most of them never need.
type rare struct {
	reliable []reliable
	forks    []*Dialog // further 2xx, to be ended
	minSE    uint32    // the interval that a 422 asked for, 0 for none
}

// describe gives what the INVITE of ours is made from.
func (s *Session) describe() Outgoing {
	if c, ok := s.user.(Caller); ok {
		return c.Outgoing()
	}
	return Outgoing{} // It is not ours.
}

// settingUp gives the setup, a new one when there is none; s.mu is held.
func (s *Session) settingUp() *setup {
	if s.setup == nil {
		s.setup = new(setup)
	}
	return s.setup
}

// rarely gives the room for it; s.mu is held.
func (s *Session) rarely() *rare {
	x := s.settingUp()
	if x.rare == nil {
		x.rare = new(rare)
	}
	return x.rare
}

// calling tells that the INVITE of ours has no final response and is not given up;
// s.mu is held.
func (s *Session) calling() bool {
	return s.outcome == pending && s.setup != nil && s.setup.cancel == nil
}

// invited tells whether seq is the CSeq number of the INVITE as sent last; s.mu is held.
func (s *Session) invited(seq uint32) bool { return s.setup != nil && s.setup.seq == seq }

// finish notes how the INVITE has ended, and tells whether that was still open. What
// is left of it lives on with its transaction. s.mu is held.
func (s *Session) finish(o outcome) bool {
	if s.outcome != pending {
		return false
	}
	s.outcome = o
	if x := s.setup; x != nil {
		x.early, x.auth = nil, nil
		s.forgetReliable()
	}
	return true
}

// Ended implements transaction.Ender: with the transaction of the last INVITE goes what
// only that needed, but for the credentials of an ACK that is still owed.
func (s *Session) Ended(tx *transaction.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.setup == nil || s.setup.tx != tx:
	case s.outcome == answered && !s.ackSent:
		s.setup.tx = nil
	default:
		s.setup = nil
	}
}
