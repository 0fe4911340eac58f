package conformance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// subject makes an INVITE too large for UDP (RFC 3261 section 18.1.1).
func subject(size int) func(*call.Order) {
	return func(o *call.Order) { o.Subject = strings.Repeat("s", size) }
}

// wantWhole checks that nothing of a large INVITE is missing.
func wantWhole(t *testing.T, m received, size int) {
	t.Helper()
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	if n := len(m.Get(sip.Subject)); n != size || !strings.HasSuffix(string(m.Body), "a=sendrecv\r\n") {
		t.Errorf("Subject of %d bytes, body %q", n, m.Body)
	}
}

// TestU25LargeRequest goes over TCP, and so do its ACK and CANCEL; what is small
// goes over UDP again.
func TestU25LargeRequest(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		p.listenTCP()
		r := l.place(subject(1300))
		invite := p.expect(sip.INVITE)
		if invite.conn == nil || via(t, invite).Transport != "TCP" {
			t.Errorf("not over TCP:\n%s", invite.Raw())
		}
		wantWhole(t, invite, 1300)
		time.Sleep(10 * time.Second) // Nothing is sent again over TCP.
		wantNone(t, p.drain())
		p.reply(invite, 180, extra{})
		p.reply(invite, 200, extra{body: sdpBody})
		ack := p.expect(sip.ACK)
		if ack.conn != nil || via(t, ack).Transport != "UDP" {
			t.Errorf("not over UDP:\n%s", ack.Raw())
		}
		p.reply(p.expect(sip.REFER), 202, extra{})
		p.finish(invite, 1)
		l.wantEnd(r, call.Completed)
	})
}

func TestU25LargeRequestRefused(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		p.listenTCP()
		r := l.place(subject(1300), ringFor(5*time.Second))
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		cancel := p.expect(sip.CANCEL)
		wantCancelOf(t, invite, cancel)
		p.reply(cancel, 200, extra{contact: "-"})
		p.reply(invite, 487, extra{})
		if ack := p.expect(sip.ACK); cancel.conn == nil || ack.conn == nil {
			t.Errorf("CANCEL and ACK did not go where the INVITE went:\n%s\n%s", cancel.Raw(), ack.Raw())
		}
		l.wantEnd(r, call.NoAnswer)
	})
}

// TestU25NoTCP: the phone refuses connections, so UDP it is, with a branch of its
// own, and whole.
func TestU25NoTCP(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(subject(1300))
		invite := p.expect(sip.INVITE)
		wantAt(t, "INVITE", invite.at, 0)
		if invite.conn != nil || via(t, invite).Transport != "UDP" {
			t.Errorf("not over UDP:\n%s", invite.Raw())
		}
		wantWhole(t, invite, 1300)
		p.reject(invite, 486, extra{})
		l.wantEnd(r, call.Busy)
	})
}

// TestU25TooLarge: no TCP, and more than a datagram holds.
func TestU25TooLarge(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(subject(66_000))
		p.quiet(time.Minute)
		l.wantEnd(r, call.Unreachable)
		l.wantRows(r, "INVITE SIP/2.0 503 Service Unavailable")
	})
}

// TestU25SilentTCP: the connection is taken, but no answer comes.
func TestU25SilentTCP(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		p.listenTCP()
		r := l.place(subject(1300))
		if m := p.expect(sip.INVITE); m.conn == nil {
			t.Errorf("not over TCP:\n%s", m.Raw())
		}
		p.quiet(32*time.Second - time.Millisecond)
		l.wantRunning(r)
		time.Sleep(2 * time.Millisecond)
		l.wantEnd(r, call.TimedOut)
		l.wantRows(r, "INVITE SIP/2.0 408 Request Timeout")
	})
}

// TestU25Threshold: 1,300 bytes still go over UDP, one more does not.
func TestU25Threshold(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		p.listenTCP()
		sizes := map[bool][]int{}
		for n := range 60 {
			l.place(subject(300+10*n), func(o *call.Order) { o.Agent.Display = strings.Repeat("d", n%10+1) })
			invite := p.expect(sip.INVITE)
			overTCP := invite.conn != nil
			sizes[overTCP] = append(sizes[overTCP], len(invite.Raw()))
			p.reject(invite, 486, extra{})
		}
		if largest := slices.Max(sizes[false]); largest > 1300 || largest < 1280 {
			t.Errorf("%d bytes over UDP", largest)
		}
		if least := slices.Min(sizes[true]); least <= 1300 || least > 1320 {
			t.Errorf("%d bytes over TCP", least)
		}
	})
}
