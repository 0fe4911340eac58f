package dialog

import (
	"net/netip"
	"slices"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// foreign tells a message that names a session of ours but comes from an address to
// which that session sends nothing (row Z15). The tag in it cannot be guessed, but
// somebody on the way may have read it. The port is not compared: a proxy may send from
// another than it listens on.
func (ua *UA) foreign(m *sip.Message, from transport.Source) bool {
	if !ua.config.StrictSource {
		return false
	}
	tag := m.FromTag()
	if m.IsRequest() {
		tag = m.ToTag()
	}
	s, ok := ua.sessions.find(tag)
	return ok && !s.sendsTo(from.Addr.Addr()) && !hasAddr(ua.proxyHop, from.Addr.Addr())
}

// sendsTo tells whether requests of the session go to an address, or have gone there
// before its dialog had a way of its own.
func (s *Session) sendsTo(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hop) == 0 || hasAddr(s.hop, a) || s.bound != nil && s.bound.Addr.Addr() == a
}

func hasAddr(hop []transport.Target, a netip.Addr) bool {
	return slices.ContainsFunc(hop, func(t transport.Target) bool { return t.Addr.Addr() == a })
}
