package model

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport/memnet"
)

var serverAddr = netip.MustParseAddrPort("192.0.2.10:5060")

// ledger notes what the server got and said.
type ledger struct {
	mu     sync.Mutex
	faults []string
	began  time.Time
	trace  []string // what went over the network

	invites  map[string]*invite   // of the server, by Call-ID and CSeq number
	accepted map[string]*invite   // those whose 2xx arrived in time, by dialog
	acked    map[string]bool      // 2xx that the server has acknowledged, by dialog
	asked    map[string]time.Time // requests that arrived, by branch and method
	answered map[string]time.Time // their final responses
	byes     map[string]string    // branch of the server's BYE, by Call-ID
	says     map[string]*says     // what the server said in SDP, by Call-ID
}

// invite is one INVITE of the server.
type invite struct {
	sent, heard, cancelled time.Time
}

// says is what one leg was told.
type says struct {
	seen    map[string]bool
	origin  string // without the version
	version uint64
	last    string
}

func newLedger() *ledger {
	return &ledger{
		began:   time.Now(),
		invites: map[string]*invite{}, accepted: map[string]*invite{}, acked: map[string]bool{}, asked: map[string]time.Time{},
		answered: map[string]time.Time{}, byes: map[string]string{}, says: map[string]*says{},
	}
}

func (g *ledger) faultf(format string, args ...any) {
	g.faults = append(g.faults, fmt.Sprintf(format, args...))
}

// watch sees each datagram as it leaves.
func (g *ledger) watch(from, to netip.AddrPort, data []byte, arrivals []memnet.Delivery) {
	m, err := sip.Parse(data)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if err == nil {
		g.note(m, from, to, now, arrivals)
	}
	switch {
	case err != nil:
		g.faultf("unreadable message from %s: %v", from, err)
	case from == serverAddr:
		g.left(m, now)
	case to == serverAddr && len(arrivals) > 0:
		first := arrivals[0].Delay
		for _, a := range arrivals {
			first = min(first, a.Delay)
		}
		g.came(m, now.Add(first))
	}
}

// note keeps a line of each message, for who looks for what went wrong.
func (g *ledger) note(m *sip.Message, from, to netip.AddrPort, at time.Time, arrivals []memnet.Delivery) {
	what := m.Method
	if m.IsResponse() {
		what = strconv.Itoa(m.Status)
	}
	_, sdp := withoutOrigin(string(m.Body))
	g.trace = append(g.trace, fmt.Sprintf("%8.3f %s -> %s %-6s %s %.4s sdp %d %v", at.Sub(g.began).Seconds(), from.Addr(), to.Addr(), what, m.Get(sip.CSeq), m.Get(sip.CallID), len(sdp), arrivals))
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

func (g *ledger) came(m *sip.Message, at time.Time) {
	cseq, _ := m.CSeq()
	if m.IsRequest() {
		if k := transactionKey(m); m.Method != sip.ACK && g.asked[k].IsZero() {
			g.asked[k] = at
		}
		return
	}
	i := g.invites[inviteKey(m)]
	if cseq.Method != sip.INVITE || i == nil {
		return
	}
	if i.heard.IsZero() || at.Before(i.heard) {
		i.heard = at
	}
	if m.Status >= 200 && m.Status < 300 && i.lives(at) {
		g.accepted[dialogKey(m)] = i
	}
}

// lives tells whether the INVITE's transaction is there yet when a response arrives
// (RFC 3261 section 17.1.1.2, and section 9.1 behind a CANCEL).
func (i *invite) lives(at time.Time) bool {
	const limit = 31 * time.Second // What arrives in the last second may go either way.
	return i.heard.Sub(i.sent) < limit && (i.cancelled.IsZero() || at.Sub(i.cancelled) < limit)
}

func (g *ledger) left(m *sip.Message, at time.Time) {
	cseq, _ := m.CSeq()
	switch {
	case m.Method == sip.INVITE && g.invites[inviteKey(m)] == nil:
		g.invites[inviteKey(m)] = &invite{sent: at}
	case m.Method == sip.CANCEL:
		if i := g.invites[inviteKey(m)]; i != nil && i.cancelled.IsZero() {
			i.cancelled = at
		}
	case m.Method == sip.ACK:
		g.acked[dialogKey(m)] = true
	case m.Method == sip.BYE:
		g.bye(m)
	case m.IsResponse() && m.Status >= 200 && g.answered[transactionKey(m)].IsZero():
		g.answered[transactionKey(m)] = at
	}
	if len(m.Body) > 0 && (m.Method != "" || cseq.Method != sip.OPTIONS) {
		g.told(m)
	}
}

func (g *ledger) bye(m *sip.Message) {
	via, _ := m.Via()
	k := m.Get(sip.CallID) + " " + m.ToTag()
	if before, ok := g.byes[k]; ok && before != via.Branch() {
		g.faultf("a second BYE in %s", k)
	}
	g.byes[k] = via.Branch()
}

// told checks the o= line of what a leg is told (RFC 3264 section 8).
func (g *ledger) told(m *sip.Message) {
	body := string(m.Body)
	origin, rest := withoutOrigin(body)
	f := strings.Fields(origin)
	if len(f) != 6 {
		g.faultf("o= line %q", origin)
		return
	}
	version, err := strconv.ParseUint(f[2], 10, 63)
	f[2] = ""
	same := strings.Join(f, " ")
	s := g.says[m.Get(sip.CallID)]
	if s == nil {
		s = &says{seen: map[string]bool{}, origin: same, version: version - 1}
		g.says[m.Get(sip.CallID)] = s
	}
	if s.seen[body] {
		return // Sent again, or said again.
	}
	if err != nil || same != s.origin || version != s.version+1 || rest == s.last {
		g.faultf("behind version %d of %s comes\n%s", s.version, s.origin, body)
	}
	s.seen[body], s.version, s.last = true, version, rest
}

// check gives what was wrong.
func (g *ledger) check() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k := range g.accepted {
		if !g.acked[k] {
			g.faultf("the 2xx of %s has no ACK", k)
		}
	}
	for k, at := range g.asked {
		if end := g.answered[k]; end.IsZero() || end.Sub(at) > 33*time.Second {
			g.faultf("the request %s of %s was answered at %s", k, at.Format(time.TimeOnly), end.Format(time.TimeOnly))
		}
	}
	return g.faults
}
