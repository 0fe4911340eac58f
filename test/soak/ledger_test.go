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
	invites  map[string]*invite   // of the server, by Call-ID and CSeq number
	accepted map[string]time.Time // 2xx that arrived in time, by dialog and CSeq number
	acked    map[string]bool      // of those, the ones with an ACK
	asked    map[string]request   // requests that arrived, by branch and method
	answered map[string]bool      // those with a final response
	byes     map[string]string    // branch of the server's BYE, by dialog
}

// invite is an INVITE of the server, and request one of a phone.
type (
	invite  struct{ sent, heard, cancelled time.Time }
	request struct {
		at   time.Time
		line string
	}
)

func newLedger() *ledger {
	return &ledger{
		invites: map[string]*invite{}, accepted: map[string]time.Time{}, acked: map[string]bool{},
		asked: map[string]request{}, answered: map[string]bool{}, byes: map[string]string{},
	}
}

func inviteKey(m *sip.Message) string {
	cseq, _ := m.CSeq()
	return m.Get(sip.CallID) + " " + strconv.FormatUint(uint64(cseq.Seq), 10)
}

func dialogKey(m *sip.Message) string { return inviteKey(m) + " " + m.ToTag() }

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
	trace("in ", m)
	if err != nil {
		g.faults = append(g.faults, fmt.Sprintf("a phone said what cannot be read: %v\n%s", err, data))
		return
	}
	if m.IsRequest() {
		k := transactionKey(m)
		if _, known := g.asked[k]; !known && m.Method != sip.ACK {
			g.asked[k] = request{now, m.Method + " " + dialogKey(m)}
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
		g.accepted[dialogKey(m)] = now
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
	trace("out", m)
	switch {
	case err != nil:
		g.faults = append(g.faults, fmt.Sprintf("the server said what cannot be read: %v\n%s", err, data))
	case m.IsResponse():
		if m.Status >= 200 {
			g.answered[transactionKey(m)] = true
		}
	default:
		g.asks(m)
	}
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
		g.acked[dialogKey(m)] = true
	case sip.BYE:
		via, _ := m.Via()
		k := m.Get(sip.CallID) + " " + m.ToTag()
		if before, ok := g.byes[k]; ok && before != via.Branch() {
			g.faults = append(g.faults, "a second BYE in "+k)
		}
		g.byes[k] = via.Branch()
	default:
	}
}

// owed gives what the server has not done yet: the ACK of a 2xx (RFC 3261 section
// 13.2.2.4), or the answer to a request (section 8.2).
func (g *ledger) owed() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for k, at := range g.accepted {
		if !g.acked[k] {
			all = append(all, fmt.Sprintf("no ACK for the 2xx of %s, there since %s", k, at.Format(time.TimeOnly)))
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

var tr = map[string][]string{}
var t0 = time.Now()

func trace(d string, m *sip.Message) {
	id := m.Get(sip.CallID)
	tr[id] = append(tr[id], fmt.Sprintf("%8.3f %s %s %d %s body %d | From %s To %s br %s Reason %s", time.Since(t0).Seconds(), d, m.Method, m.Status, m.Get(sip.CSeq), len(m.Body), m.Get(sip.From), m.Get(sip.To), transactionKey(m), m.Get(sip.Reason)))
}
