package conformance

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
	"callcontroller/internal/timing"
)

// audit reads all that goes over the network of a lab, and checks at the end what
// must hold in every test (row set I): each 2xx to INVITE is acknowledged, as often
// as it comes, and each request of a phone gets a final response within 32 s.
type audit struct {
	mu       sync.Mutex
	started  time.Time
	accepted map[string]int           // 2xx to INVITE that came, by dialog
	acks     map[string]int           // ACKs that left, by dialog
	asked    map[string]time.Duration // requests of phones, by branch and method
	answered map[string]time.Duration // their first final response
	faults   []string
}

// audited runs a test as run does, with a phone where the proxy is, and audits it.
func audited(t *testing.T, test func(l *lab, p *phone)) {
	t.Helper()
	run(t, options{}, func(l *lab) {
		a := &audit{
			started: l.start, accepted: map[string]int{}, acks: map[string]int{},
			asked: map[string]time.Duration{}, answered: map[string]time.Duration{},
		}
		l.net.Tap(a.tap)
		p := l.phone()
		defer p.close()
		test(l, p)
		p.quiet(2 * time.Minute)
		a.check(l.T)
	})
}

func (a *audit) tap(at time.Time, from, to netip.AddrPort, data []byte) {
	m, err := sip.Parse(data)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.faults = append(a.faults, fmt.Sprintf("unreadable message from %s: %v", from, err))
		return
	}
	switch {
	case from == serverAddr:
		a.left(m, at.Sub(a.started))
	case to == serverAddr:
		a.came(m, at.Sub(a.started))
	}
}

func (a *audit) came(m *sip.Message, at time.Duration) {
	cseq, _ := m.CSeq()
	switch {
	case m.IsResponse() && cseq.Method == sip.INVITE && m.Status >= 200 && m.Status < 300:
		a.accepted[dialogOf(m, cseq)]++
	case m.IsRequest() && m.Method != sip.ACK:
		if k := transactionOf(m); a.asked[k] == 0 {
			a.asked[k] = at
		}
	}
}

func (a *audit) left(m *sip.Message, at time.Duration) {
	cseq, _ := m.CSeq()
	switch {
	case m.Method == sip.ACK:
		a.acks[dialogOf(m, cseq)]++
	case m.IsResponse() && m.Status >= 200:
		if _, ok := a.answered[transactionOf(m)]; !ok {
			a.answered[transactionOf(m)] = at
		}
	}
}

func dialogOf(m *sip.Message, cseq sip.CSeqValue) string {
	return strings.Join([]string{m.Get(sip.CallID), m.FromTag(), m.ToTag(), strconv.FormatUint(uint64(cseq.Seq), 10)}, " ")
}

func transactionOf(m *sip.Message) string {
	via, _ := m.Via()
	cseq, _ := m.CSeq()
	return via.Branch() + " " + cseq.Method
}

func (a *audit) check(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.faults {
		t.Error(f)
	}
	for d, n := range a.accepted {
		if a.acks[d] < n {
			t.Errorf("%d 2xx to the INVITE of dialog %s got %d ACKs", n, d, a.acks[d])
		}
	}
	for k, at := range a.asked {
		end, ok := a.answered[k]
		if !ok || end-at > 32*time.Second {
			t.Errorf("request %s of %v was answered: %v, at %v", k, at, ok, end)
		}
	}
}

// wantAt checks a moment of virtual time: never early, and up to one tick of the
// timing wheel late.
func wantAt(tb testing.TB, what string, got, want time.Duration) {
	tb.Helper()
	if got < want || got > want+timing.Tick {
		tb.Errorf("%s came at %v, want %v", what, got, want)
	}
}

// wantReason checks the Reason field (RFC 3326) of a BYE or CANCEL; status 0 wants
// none.
func wantReason(tb testing.TB, m received, status int, text string) {
	tb.Helper()
	want := ""
	if status != 0 {
		want = fmt.Sprintf("SIP;cause=%d;text=%s", status, sip.Quote(text))
	}
	n := 0
	for range m.Values(sip.Reason) {
		n++
	}
	if got := m.Get(sip.Reason); got != want || n > 1 {
		tb.Errorf("%s with Reason %q, %d values; want %q", m.Method, got, n, want)
	}
}

// wantOutcome checks the whole outcome of a call that has ended.
func (l *lab) wantOutcome(c *call.Call, want call.Outcome) {
	l.Helper()
	if c.State != call.Ended || c.Outcome != want {
		l.Errorf("the call is %s %+v, want it ended with %+v", c.State, c.Outcome, want)
	}
}

// The rows with which every call of these tests begins: the phone rings and answers.
const (
	rowRinging  = "INVITE SIP/2.0 180 Ringing"
	rowAnswered = "INVITE SIP/2.0 200 OK"
)
