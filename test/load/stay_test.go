package load

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// The most heap that a standing call of INVITE mode may take, with both of its legs, in
// bytes: without any timer, and with all of them.
const (
	perBridge = 2 << 10
	perTimed  = perBridge + 256
)

// pickUp is a phone that answers at once, and takes everything.
func pickUp(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	if m.IsRequest() && m.Method != sip.ACK {
		a.send(tb, a.answer(m, 200), from)
	}
}

// refresh is pickUp with session timers (RFC 4028).
func refresh(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	if m.Method != sip.INVITE {
		pickUp(tb, a, m, from)
		return
	}
	answer := a.answer(m, 200)
	answer.Add(sip.SessionExpires, "1800;refresher=uac")
	answer.Add(sip.Allow, "INVITE, ACK, BYE, UPDATE")
	a.send(tb, answer, from)
}

// TestX18StandingCalls: two legs take little, no goroutine, and nothing when they are over.
func TestX18StandingCalls(t *testing.T) {
	t.Run("bare", func(t *testing.T) {
		inPlant(t, pickUp, func(p *plant) {
			p.calls = 2 * calls
			p.stand(perBridge)
		})
	})
	t.Run("timed", func(t *testing.T) {
		inPlant(t, refresh, func(p *plant) {
			p.limits.KeepAlive, p.limits.MaxDuration = time.Minute, time.Hour
			p.stand(perTimed)
		})
	})
}

// stand checks that a standing call takes so much at most.
func (p *plant) stand(most uint64) {
	p.Helper()
	p.mode = call.ByStay
	all, each := p.place()
	p.Logf("%d standing calls take %d bytes of heap each, both legs; %d timers run", p.calls, each, p.wheel.Running())
	if each > most {
		p.Errorf("a standing call takes %d bytes, more than %d", each, most)
	}
	for i, r := range all {
		if s := r.Snapshot().State; s != call.Connected {
			p.Fatalf("call %d is %s", i, s)
		}
	}
	p.engine.HangupAll(call.ByServer)
	synctest.Wait()
	p.wantNothingLeft(all)
}
