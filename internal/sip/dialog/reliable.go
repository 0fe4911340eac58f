package dialog

import (
	"strconv"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// reliable is an early dialog that a reliable provisional response has made (RFC 3262):
// what its PRACKs are made from.
type reliable struct {
	dialog *Dialog
	seq    uint32 // RSeq of the last response taken
	owed   bool   // that one made an offer, which the User answers by Prack
}

// rel100 is the option tag of RFC 3262.
const rel100 = "100rel"

// reliableSeq is the RSeq of a response that is to be acknowledged by PRACK, 0 for the
// others (section 4).
func reliableSeq(resp *sip.Message) uint32 {
	if resp.Status == 100 || !resp.Contains(sip.Require, rel100) {
		return 0
	}
	n, err := strconv.ParseUint(resp.Get(sip.RSeq), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// takeReliable takes a reliable response if it is the next one of its early dialog, and
// sends its PRACK, unless an answer is owed in that. One that comes again, or ahead of
// another, is not taken: it will be repeated (section 4).
func (s *Session) takeReliable(resp *sip.Message, seq uint32) bool {
	s.mu.Lock()
	r := s.reliableOf(RemoteTag(resp.ToTag()))
	if r == nil {
		if r = s.addReliable(resp); r == nil {
			s.mu.Unlock()
			return false
		}
		r.seq = seq - 1
	}
	if seq != r.seq+1 {
		s.mu.Unlock()
		return false
	}
	r.seq = seq
	// One offer at a time: another fork that makes one too is not going to be joined.
	r.owed = s.setup.late && len(resp.Body) > 0 && s.owing() == nil
	d, owed := r.dialog, r.owed
	s.mu.Unlock()
	if !owed {
		s.prack(d, seq, "", nil)
	}
	return true
}

// reliableOf finds an early dialog; s.mu is held.
func (s *Session) reliableOf(tag RemoteTag) *reliable {
	return s.findReliable(func(r *reliable) bool { return r.dialog.RemoteTag == tag })
}

func (s *Session) findReliable(is func(r *reliable) bool) *reliable {
	if s.setup == nil || s.setup.rare == nil {
		return nil
	}
	for i := range s.setup.rare.reliable {
		if r := &s.setup.rare.reliable[i]; is(r) {
			return r
		}
	}
	return nil
}

// forgetReliable lets go of the early dialogs of the setup; s.mu is held.
func (s *Session) forgetReliable() {
	if s.setup.rare != nil {
		s.setup.rare.reliable = nil
	}
}

// addReliable makes an early dialog; s.mu is held. A response without a Contact makes
// one good enough for a PRACK by the way of the INVITE.
func (s *Session) addReliable(resp *sip.Message) *reliable {
	if s.setup == nil || len(s.rarely().reliable) == maxEarly || resp.ToTag() == "" {
		return nil
	}
	rare := s.setup.rare
	d, _ := fromResponse(s.describe(), resp)
	rare.reliable = append(rare.reliable, reliable{dialog: d})
	return &rare.reliable[len(rare.reliable)-1]
}

// Prack answers the offer of the last reliable provisional response, if that is owed
// (RFC 3262 section 5).
func (s *Session) Prack(contentType string, body []byte) {
	s.mu.Lock()
	r := s.owing()
	if r == nil {
		s.mu.Unlock()
		return
	}
	r.owed, r.dialog.settled = false, true
	d, seq := r.dialog, r.seq
	s.mu.Unlock()
	s.prack(d, seq, contentType, body)
}

// owing is the early dialog whose offer waits for its answer; s.mu is held.
func (s *Session) owing() *reliable {
	return s.findReliable(func(r *reliable) bool { return r.owed })
}

// WantsAnswer tells whether a provisional response made an offer that waits for Prack.
func (s *Session) WantsAnswer(resp *sip.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.owing()
	return r != nil && r.dialog.RemoteTag == RemoteTag(resp.ToTag())
}

// prack sends a PRACK. Whatever becomes of it, the INVITE decides (section 4).
func (s *Session) prack(d *Dialog, seq uint32, contentType string, body []byte) {
	s.mu.Lock()
	invite := d.inviteSeq
	s.mu.Unlock()
	rack := strconv.FormatUint(uint64(seq), 10) + " " + strconv.FormatUint(uint64(invite), 10) + " INVITE"
	s.ua.resolveDialog(d, func(hop []transport.Target, err error) {
		if err != nil {
			s.ua.config.Log.Warn("no way for a PRACK", "sip_call_id", s.sipCallID, "error", err)
			return
		}
		s.sendIn(d, hop, Sent{Method: sip.PRACK, Fields: []sip.Field{field(sip.RAck, rack)}, ContentType: contentType, Body: body})
	})
}

// Settled tells that the offer of the dialog's peer was answered in a PRACK already: SDP
// in the 2xx says nothing new.
func (s *Session) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialog != nil && s.dialog.settled
}
