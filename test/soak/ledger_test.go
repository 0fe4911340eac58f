package soak

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"callcontroller/internal/sip"
)

// ledger notes what reached the server and what the server said, and so what it owes.
type ledger struct {
	mu       sync.Mutex
	faults   []string
	invites  map[string]*invite  // of the server, by Call-ID and CSeq number
	accepted map[string]accepted // 2xx that arrived in time, by dialog and CSeq number
	acked    map[string]bool     // of those, the ones with an ACK
	asked    map[string]request  // requests that arrived, by branch and method
	answered map[string]bool     // those with a final response
	byes     map[string]string   // branch of the server's BYE, by dialog
	over     map[string]bool     // dialogs with a BYE from either side
}

type (
	// invite is one of the server.
	invite struct{ sent, heard, cancelled time.Time }
	// accepted is a 2xx of a phone.
	accepted struct {
		at     time.Time
		dialog string
	}
	// request is one of a phone.
	request struct {
		at   time.Time
		line string
	}
)

func newLedger() *ledger {
	return &ledger{
		invites: map[string]*invite{}, accepted: map[string]accepted{}, acked: map[string]bool{},
		asked: map[string]request{}, answered: map[string]bool{}, byes: map[string]string{},
		over: map[string]bool{},
	}
}

func inviteKey(m *sip.Message) string {
	cseq, _ := m.CSeq()
	return m.Get(sip.CallID) + " " + strconv.FormatUint(uint64(cseq.Seq), 10)
}

func answerKey(m *sip.Message) string { return inviteKey(m) + " " + m.ToTag() }

// dialogKey names a dialog by the tag of the phone.
func dialogKey(m *sip.Message, tag string) string { return m.Get(sip.CallID) + " " + tag }

func transactionKey(m *sip.Message) string {
	via, _ := m.Via()
	cseq, _ := m.CSeq()
	return via.Branch() + " " + cseq.Method
}

// came notes what is about to reach the server.
func (g *ledger) came(data []byte) {
	m, err := sip.Parse(data)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if err != nil {
		g.faults = append(g.faults, fmt.Sprintf("a phone said what cannot be read: %v\n%s", err, data))
		return
	}
	if m.IsRequest() {
		k := transactionKey(m)
		if _, known := g.asked[k]; !known && m.Method != sip.ACK {
			g.asked[k] = request{now, m.Method + " in " + dialogKey(m, m.FromTag())}
		}
		if m.Method == sip.BYE {
			g.over[dialogKey(m, m.FromTag())] = true
		}
		return
	}
	cseq, _ := m.CSeq()
	i := g.invites[inviteKey(m)]
	if cseq.Method != sip.INVITE || i == nil {
		return
	}
	if i.heard.IsZero() {
		i.heard = now
	}
	if m.Status >= 200 && m.Status < 300 && i.lives(now) {
		g.accepted[answerKey(m)] = accepted{now, dialogKey(m, m.ToTag())}
	}
}

// lives tells whether the transaction of the INVITE is there yet when a response
// arrives (RFC 3261 section 17.1.1.2, and section 9.1 behind a CANCEL). What arrives
// in the last second may go either way.
func (i *invite) lives(at time.Time) bool {
	const limit = 31 * time.Second
	return i.heard.Sub(i.sent) < limit && (i.cancelled.IsZero() || at.Sub(i.cancelled) < limit)
}

// left notes what the server has said.
func (g *ledger) left(data []byte) {
	m, err := sip.Parse(data)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil:
		g.faults = append(g.faults, fmt.Sprintf("the server said what cannot be read: %v\n%s", err, data))
	case m.IsResponse():
		if m.Status >= 200 {
			g.answers(transactionKey(m))
		}
	default:
		g.asks(m)
	}
}

func (g *ledger) answers(k string) {
	if r := g.asked[k]; !g.answered[k] && time.Since(r.at) > 32*time.Second {
		g.faults = append(g.faults, fmt.Sprintf("%s was answered after %s", r.line, time.Since(r.at)))
	}
	g.answered[k] = true
}

func (g *ledger) asks(m *sip.Message) {
	switch m.Method {
	case sip.INVITE:
		if g.invites[inviteKey(m)] == nil {
			g.invites[inviteKey(m)] = &invite{sent: time.Now()}
		}
	case sip.CANCEL:
		if i := g.invites[inviteKey(m)]; i != nil && i.cancelled.IsZero() {
			i.cancelled = time.Now()
		}
	case sip.ACK:
		g.acked[answerKey(m)] = true
	case sip.BYE:
		via, _ := m.Via()
		k := dialogKey(m, m.ToTag())
		if before, ok := g.byes[k]; ok && before != via.Branch() {
			g.faults = append(g.faults, "a second BYE in "+k)
		}
		g.byes[k], g.over[k] = via.Branch(), true
	default:
	}
}

// owed gives what the server has not done yet, when no call is left: the ACK of a 2xx
// (RFC 3261 section 13.2.2.4), the BYE of what it accepted so, or the answer to a request
// (section 8.2).
func (g *ledger) owed() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for k, a := range g.accepted {
		if !g.acked[k] {
			all = append(all, fmt.Sprintf("no ACK for the 2xx of %s, there since %s", k, a.at.Format(time.TimeOnly)))
		}
		if !g.over[a.dialog] {
			all = append(all, fmt.Sprintf("no BYE in %s, whose 2xx is there since %s", a.dialog, a.at.Format(time.TimeOnly)))
		}
	}
	for k, r := range g.asked {
		if !g.answered[k] {
			all = append(all, fmt.Sprintf("no answer to %s, branch and method %s, there since %s", r.line, k, r.at.Format(time.TimeOnly)))
		}
	}
	return all
}

// wrong gives what the server should not have done.
func (g *ledger) wrong() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults
}
