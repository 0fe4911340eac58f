package dialog

import (
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
)

func (s *Session) reject(resp *sip.Message) {
	s.mu.Lock()
	was := s.finish(over)
	s.mu.Unlock()
	if was {
		s.user.Rejected(s, resp)
	}
}

// challenged answers a 401 or 407 with a new INVITE, or takes it for the refusal
// that it then is.
func (s *Session) challenged(resp *sip.Message) {
	s.mu.Lock()
	if !s.calling() {
		s.mu.Unlock()
		s.reject(resp)
		return
	}
	x := s.setup
	x.tx = nil
	if x.auth == nil {
		x.auth = s.ua.attempt(s.account, s.hop, s.bound)
	}
	auth := x.auth
	s.mu.Unlock()
	o := s.describe()
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
	if x := s.setup; x != nil {
		x.seq++
		x.early, x.tx = nil, nil
		s.forgetReliable()
	}
	s.mu.Unlock()
	s.user.Progress(s, resp)
	s.sendInvite(o, credentials)
}
