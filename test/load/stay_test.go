package load

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// perBridge is the most heap that a standing call of INVITE mode may take, with both of
// its legs, in bytes.
const perBridge = 2 << 10

// pickUp is a phone that answers at once, and takes everything.
func pickUp(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	if m.IsRequest() && m.Method != sip.ACK {
		a.send(tb, a.answer(m, 200), from)
	}
}

// TestStandingCalls: two legs take little, no goroutine, and nothing when they are over.
func TestStandingCalls(t *testing.T) {
	inPlant(t, pickUp, func(p *plant) {
		p.mode, p.calls = call.ByStay, 2*calls
		all, each := p.place()
		p.Logf("%d standing calls take %d bytes of heap each, both legs", p.calls, each)
		if each > perBridge {
			p.Errorf("a standing call takes %d bytes, more than %d", each, perBridge)
		}
		for i, r := range all {
			if s := r.Snapshot().State; s != call.Connected {
				p.Fatalf("call %d is %s", i, s)
			}
		}
		p.engine.HangupAll(call.ByServer)
		synctest.Wait()
		p.wantNothingLeft(all)
	})
}
