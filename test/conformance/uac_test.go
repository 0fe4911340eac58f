package conformance

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip"
)

// withPhone runs a test as run does, with a phone where the proxy is.
func withPhone(t *testing.T, o options, test func(l *lab, p *phone)) {
	t.Helper()
	run(t, o, func(l *lab) {
		p := l.phone()
		defer p.close()
		test(l, p)
	})
}

// via is the top Via of a message, which must be its only one.
func via(t testing.TB, m received) sip.ViaValue {
	t.Helper()
	v, err := m.Via()
	n := 0
	for range m.Values(sip.Via) {
		n++
	}
	if err != nil || n != 1 {
		t.Fatalf("%d Via values, %v:\n%s", n, err, m.Raw())
	}
	return v
}

// values lists the values of a list field.
func values(m received, h sip.Header) []string { return slices.Collect(m.Values(h)) }

// wantFields checks that these fields of two messages are the same.
func wantFields(t testing.TB, got, want received, headers ...sip.Header) {
	t.Helper()
	for _, h := range headers {
		if g, w := values(got, h), values(want, h); !slices.Equal(g, w) {
			t.Errorf("%s: %s %q, want %q", got.Method, h, g, w)
		}
	}
}

// wantGet checks one field.
func wantGet(t testing.TB, m received, h sip.Header, want string) {
	t.Helper()
	if got := m.Get(h); got != want {
		t.Errorf("%s: %s %q, want %q", m.Method, h, got, want)
	}
}

// seconds makes moments of virtual time.
func seconds(s ...float64) []time.Duration {
	var d []time.Duration
	for _, v := range s {
		d = append(d, time.Duration(v*float64(time.Second)))
	}
	return d
}

// wantCopies checks that these messages are copies of one and came at those times
// after from.
func wantCopies(t testing.TB, got []received, from time.Duration, at ...time.Duration) {
	t.Helper()
	if len(got) != len(at) {
		t.Errorf("%d messages, want %d", len(got), len(at))
	}
	for i, m := range got[:min(len(got), len(at))] {
		wantAt(t, m.Method, m.at, from+at[i])
		if m.Raw() != got[0].Raw() {
			t.Errorf("copy %d differs:\n%s\nfrom\n%s", i, m.Raw(), got[0].Raw())
		}
	}
}

// split takes the messages of one method (or, for "487", one status) out of many.
func split(all []received, what string) (of, others []received) {
	for _, m := range all {
		if name(m) == what {
			of = append(of, m)
		} else {
			others = append(others, m)
		}
	}
	return of, others
}

// wantNone checks that nothing is left over.
func wantNone(t testing.TB, all []received) {
	t.Helper()
	for _, m := range all {
		t.Errorf("at %v came, and was not to come:\n%s", m.at, m.Raw())
	}
}

// reject answers an INVITE with a final response above 2xx and takes its ACK.
func (p *phone) reject(invite received, status int, e extra) (ack received) {
	p.Helper()
	p.reply(invite, status, e)
	return p.expect(sip.ACK)
}

// finish plays the end of a call with an accepted REFER: the called party answers.
func (p *phone) finish(invite received, seq int) {
	p.Helper()
	p.send(p.notify(invite, seq, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"))
	p.expect("200")
	p.bye()
}

// wantRunning checks that a call goes on.
func (l *lab) wantRunning(r *engine.Running) {
	l.Helper()
	synctest.Wait()
	if c := r.Snapshot(); c.State == call.Ended {
		l.Errorf("the call is over: %+v", c.Outcome)
	}
}

// untagged takes the phone's tag out of a message.
func untagged(text string) string { return strings.Replace(text, ";tag=phone", "", 1) }

// ask sends a request in the dialog with that tag, takes the answer, acknowledges
// it when it refuses an INVITE, and gives its status.
func (p *phone) ask(invite received, tag, method string, seq int) string {
	p.Helper()
	p.send(p.request(invite, method, seq, extra{tag: tag}))
	m := p.next()
	if method == sip.INVITE && m.Status >= 300 {
		p.send(p.ackFor(invite, seq, m))
	}
	return name(m)
}

// wantNoState checks that nothing is kept of what has been.
func (l *lab) wantNoState() {
	l.Helper()
	synctest.Wait()
	s := l.ua.Stats()
	if s.Sessions+s.Transactions.Clients+s.Transactions.Servers+l.engine.Len()+l.wheel.Running() != 0 {
		l.Errorf("left: %+v, %d calls, %d timers", s, l.engine.Len(), l.wheel.Running())
	}
}
