package dialog

import (
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/timing"
)

// lingering is a session whose INVITE has ended without a final response. A 2xx that
// was under way for long may still come, from a phone that is off-hook then (row X11).
type lingering struct {
	timer   timing.Timer
	session *Session
}

// linger keeps the session for another 64*T1.
func (s *Session) linger() {
	l := &lingering{session: s}
	s.ua.config.Wheel.Start(&l.timer, transaction.Timeout, l, 0)
}

// Fired implements timing.Owner.
func (l *lingering) Fired(uint8) { l.session.ua.sessions.remove(l.session.localTag) }

// lateAnswer acknowledges and ends the dialog of a 2xx to an INVITE that was given up.
func (s *Session) lateAnswer(resp *sip.Message) {
	s.mu.Lock()
	hop := s.hop
	s.mu.Unlock()
	d, _ := fromResponse(s.describe(), resp)
	s.surplus(hop[0], d)
}
