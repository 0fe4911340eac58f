package signalling

import (
	"strconv"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/timing"
)

// retryRefresh is when a refresh that could not be sent, or was refused for now, is
// tried again.
const retryRefresh = 5 * time.Second

// sessionTimer is the session timer of a leg (RFC 4028). A leg whose phone wants none
// has none.
type sessionTimer struct {
	timer   timing.Timer
	leg     *leg
	told    string // for a phone that takes no UPDATE: the SDP that it was told last
	seconds uint32 // the interval
	ours    bool   // we refresh, else the phone does
	update  bool   // the phone takes UPDATE, which needs no SDP
}

func (s *sessionTimer) interval() time.Duration { return time.Duration(s.seconds) * time.Second }

// agree takes what a 2xx says about the session timer; the zero Timer ends it. ours
// says whether we are to refresh. takes is the Allow list's word about UPDATE.
func (g *leg) agree(t dialog.Timer, ours, takes bool) {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if t.Expires == 0 || g.line.config.Wheel == nil {
		g.stopTimer()
		return
	}
	if g.timer == nil {
		g.timer = &sessionTimer{leg: g}
	}
	s := g.timer
	s.seconds, s.ours, s.update = t.Expires, ours, takes
	s.start(s.wait())
}

// stopTimer ends the session timer; g.line.mu is held.
func (g *leg) stopTimer() {
	if g.timer != nil {
		g.line.config.Wheel.Stop(&g.timer.timer)
		g.timer = nil
	}
}

// wait is half of the interval for who refreshes; else the time after which the
// session is over for want of a refresh (section 10).
func (s *sessionTimer) wait() time.Duration {
	if s.ours {
		return s.interval() / 2
	}
	return s.interval() - min(32*time.Second, s.interval()/3)
}

func (s *sessionTimer) start(d time.Duration) { s.leg.line.config.Wheel.Start(&s.timer, d, s, 0) }

// Fired implements timing.Owner.
func (s *sessionTimer) Fired(uint8) {
	g := s.leg
	g.line.mu.Lock()
	if g.timer != s {
		g.line.mu.Unlock()
		return
	}
	ours, update := s.ours, s.update
	if ours {
		s.start(retryRefresh) // Until a 2xx sets it anew.
	}
	g.line.mu.Unlock()
	switch {
	case !ours:
		g.line.call.Post(call.Gone{Leg: g.which, Status: 408})
	case update:
		g.session.Send(dialog.Sent{Method: sip.UPDATE, Fields: g.timerFields(), Done: g.refreshed})
	default:
		g.line.call.Post(call.RefreshDue{Leg: g.which})
	}
}

// timerFields asks for the session timer as it is in a request of ours (section 7.4).
func (g *leg) timerFields() []sip.Field {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if g.timer == nil {
		return nil
	}
	t := dialog.Timer{Expires: g.timer.seconds, UAC: g.timer.ours, UAS: !g.timer.ours}
	return []sip.Field{t.Field()}
}

// refreshed takes the answer to an UPDATE that refreshes.
func (g *leg) refreshed(resp *sip.Message, err error) {
	status := statusOf(err)
	if err == nil {
		status = resp.Status
	}
	switch {
	case status < 300:
		g.agreeAsUAC(resp)
	case status == 408 || status == 481:
		g.line.call.Post(call.Gone{Leg: g.which, Status: status})
	case status == 422:
		g.stretch(resp)
	case status == 405 || status == 501:
		g.line.mu.Lock()
		if g.timer != nil {
			g.timer.update = false
		}
		g.line.mu.Unlock()
	}
}

// stretch takes a longer interval that the phone asks for.
func (g *leg) stretch(resp *sip.Message) {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if g.timer != nil {
		g.timer.seconds = max(g.timer.seconds, dialog.ParseMinSE(resp))
	}
}

// agreeAsUAC takes the session timer of a 2xx to a request of ours (section 7.2).
func (g *leg) agreeAsUAC(resp *sip.Message) {
	t := dialog.ParseTimer(resp)
	g.agree(t, !t.UAS, takesUpdate(resp))
}

func takesUpdate(m *sip.Message) bool { return m.Contains(sip.Allow, sip.UPDATE) }

// agreeAsUAS answers what a request of the phone says about the session timer, and
// gives the fields of the 2xx (section 9). Who asks refreshes, unless it wants us to.
func (g *leg) agreeAsUAS(req *sip.Message) []sip.Field {
	t := dialog.ParseTimer(req)
	if t.Expires == 0 || !dialog.Supports(req) {
		g.agree(dialog.Timer{}, false, false)
		return nil
	}
	t.UAC = !t.UAS
	g.agree(t, t.UAS, takesUpdate(req))
	fields := []sip.Field{t.Field()}
	if t.UAC {
		fields = append(fields, field(sip.Require, "timer"))
	}
	return fields
}

// tooShort gives the answer to a session interval that is too short for us, nil for
// one that is not.
func tooShort(req *sip.Message) []sip.Field {
	if t := dialog.ParseTimer(req); t.Expires == 0 || t.Expires >= dialog.MinSE || !dialog.Supports(req) {
		return nil
	}
	return []sip.Field{field(sip.MinSE, strconv.Itoa(dialog.MinSE))}
}

// keep notes what the phone is told, for a refresh by re-INVITE.
func (g *leg) keep(body []byte) {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if len(body) > 0 && g.timer != nil && g.timer.ours && !g.timer.update {
		g.timer.told = string(body)
	}
}

// told is what the phone was told last, nil when that was not kept.
func (g *leg) told() []byte {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	if g.timer == nil || g.timer.told == "" {
		return nil
	}
	return []byte(g.timer.told)
}
