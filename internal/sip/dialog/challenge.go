package dialog

import (
	"weak"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
)

func (s *Session) reject(resp *sip.Message) {
	s.mu.Lock()
	was := s.outcome
	if was == pending {
		s.outcome, s.early, s.auth = over, nil, nil
		s.forgetReliable()
	}
	s.mu.Unlock()
	if was == pending {
		s.user.Rejected(s, resp)
	}
}

// challenged answers a 401 or 407 with a new INVITE, or takes it for the refusal
// that it then is.
func (s *Session) challenged(resp *sip.Message) {
	s.mu.Lock()
	describe := s.describe
	if s.outcome != pending || s.cancel != nil || describe == nil {
		s.mu.Unlock()
		s.reject(resp)
		return
	}
	s.tx = weak.Pointer[transaction.Client]{}
	if s.auth == nil {
		s.auth = s.ua.attempt(s.account, s.hop, s.bound)
	}
	auth := s.auth
	s.mu.Unlock()
	o := describe()
	credentials, err := s.answer(auth, resp, sip.INVITE, o.Target.String())
	if err != nil {
		s.ua.config.Log.Warn("SIP challenge not answered", "sip_call_id", s.sipCallID, "status", resp.Status, "error", err)
		s.reject(resp)
		return
	}
	s.restart(o, resp, credentials)
}

// restart sends the INVITE anew, after a response that is told as progress.
func (s *Session) restart(o Outgoing, resp *sip.Message, credentials []digest.Field) {
	s.mu.Lock()
	s.seq++
	s.early, s.tx = nil, weak.Pointer[transaction.Client]{}
	s.forgetReliable()
	s.mu.Unlock()
	s.user.Progress(s, resp)
	s.sendInvite(o, credentials)
}
