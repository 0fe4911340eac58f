package dialog

import (
	"strconv"
	"strings"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
)

// timerTag is the option tag of RFC 4028, MinSE the smallest session interval that we
// take, in seconds (section 4).
const (
	timerTag = "timer"
	MinSE    = 90
)

// Timer is a Session-Expires field (RFC 4028 section 4).
type Timer struct {
	Expires uint32 // session interval in seconds; 0 for no timer
	UAC     bool   // who sent the request refreshes
	UAS     bool   // who answered it does
}

// ParseTimer reads the Session-Expires of a message; the zero Timer when there is none.
func ParseTimer(m *sip.Message) Timer {
	value := m.Get(sip.SessionExpires)
	params := sip.Params("")
	if i := strings.IndexByte(value, ';'); i >= 0 {
		params = sip.Params(value[i:])
	}
	role, _ := params.Get("refresher")
	return Timer{Expires: delta(value), UAC: strings.EqualFold(role, "uac"), UAS: strings.EqualFold(role, "uas")}
}

// ParseMinSE reads the Min-SE of a message (section 5) in seconds, 0 when there is none.
func ParseMinSE(m *sip.Message) uint32 { return delta(m.Get(sip.MinSE)) }

// delta reads the number of seconds before parameters and comment, as in "120
// (busy);duration=60", 0 for what is none.
func delta(value string) uint32 {
	if i := strings.IndexAny(value, "; \t("); i >= 0 {
		value = value[:i]
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// Field makes the Session-Expires field.
func (t Timer) Field() sip.Field {
	value := strconv.FormatUint(uint64(t.Expires), 10)
	switch {
	case t.UAC:
		value += ";refresher=uac"
	case t.UAS:
		value += ";refresher=uas"
	}
	return field(sip.SessionExpires, value)
}

// Supports tells whether who sent a message knows session timers.
func Supports(m *sip.Message) bool { return m.Contains(sip.Supported, timerTag) }

// addTimer asks for a session timer, and tells what extensions we know (section 7.1).
func (s *Session) addTimer(req *sip.Message, expires uint32) {
	if expires == 0 {
		req.Add(sip.Supported, rel100)
		return
	}
	s.mu.Lock()
	least := uint32(0)
	if s.setup != nil && s.setup.rare != nil {
		least = s.setup.rare.minSE
	}
	s.mu.Unlock()
	req.Add(sip.Supported, rel100+", "+timerTag)
	req.Fields = append(req.Fields, Timer{Expires: max(expires, least)}.Field())
	if least > 0 {
		req.Add(sip.MinSE, strconv.FormatUint(uint64(least), 10))
	}
}

// tooSmall answers a 422 with one more INVITE, with the interval that it asks for
// (section 7.3).
func (s *Session) tooSmall(resp *sip.Message) {
	least := ParseMinSE(resp)
	s.mu.Lock()
	again := s.calling() && s.rarely().minSE == 0 && least > 0
	var auth *digest.Attempt
	if again {
		s.setup.rare.minSE, auth = least, s.setup.auth
	}
	s.mu.Unlock()
	if !again {
		s.reject(resp)
		return
	}
	o := s.describe()
	s.restart(o, resp, preemptive(auth, sip.INVITE, o.Target.String()))
}
