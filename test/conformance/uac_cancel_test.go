package conformance

import (
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// ringFor limits how long the calling party's phone rings.
func ringFor(d time.Duration) func(*call.Order) {
	return func(o *call.Order) { o.RingTimeout = d }
}

// wantCancelOf checks what a CANCEL shares with its INVITE (RFC 3261 section 9.1).
func wantCancelOf(t *testing.T, invite, cancel received) {
	t.Helper()
	if cancel.RequestURI != invite.RequestURI || cancel.from != invite.from {
		t.Errorf("CANCEL to %s from %s, INVITE to %s from %s", cancel.RequestURI, cancel.from, invite.RequestURI, invite.from)
	}
	wantFields(t, cancel, invite, sip.Via, sip.Route, sip.From, sip.To, sip.CallID)
	via(t, cancel)
	seq, _, _ := strings.Cut(invite.Get(sip.CSeq), " ")
	wantGet(t, cancel, sip.CSeq, seq+" CANCEL")
	if len(cancel.Body) > 0 || cancel.Has(sip.Require) || cancel.Has(sip.ProxyRequire) {
		t.Errorf("CANCEL:\n%s", cancel.Raw())
	}
}

func TestU08Cancel(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(ringFor(5 * time.Second))
		invite := p.expect(sip.INVITE)
		time.Sleep(100 * time.Millisecond)
		p.reply(invite, 180, extra{})
		cancel := p.expect(sip.CANCEL)
		wantAt(t, "CANCEL", cancel.at, 5*time.Second)
		wantCancelOf(t, invite, cancel)
		if len(values(cancel, sip.Route)) != 1 {
			t.Error("no Route to be copied: the test is worth nothing")
		}
		p.reply(cancel, 200, extra{contact: "-"})
		p.reject(invite, 487, extra{})
		p.quiet(time.Minute)
		l.wantEnd(r, call.NoAnswer)
		l.wantRows(r, rowRinging, "INVITE SIP/2.0 487 Request Terminated")
	})
}

func TestU09NoCancelBeforeProgress(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(ringFor(2 * time.Second))
		time.Sleep(4 * time.Second)
		invites := p.drain()
		wantCopies(t, invites, 0, seconds(0, .5, 1.5, 3.5)...)
		p.reply(invites[0], 100, extra{contact: "-"})
		cancel := p.expect(sip.CANCEL)
		wantAt(t, "CANCEL", cancel.at, 4*time.Second)
		wantCancelOf(t, invites[0], cancel)
		p.reply(cancel, 200, extra{contact: "-"})
		p.reject(invites[0], 487, extra{})
		p.quiet(time.Minute)
		l.wantEnd(r, call.NoAnswer)
	})
}

// TestU09NoCancelOfSilence: there is nothing to cancel when no response ever comes.
func TestU09NoCancelOfSilence(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(ringFor(2 * time.Second))
		wantCopies(t, p.drainFor(10*time.Minute), 0, timerA...)
		l.wantEnd(r, call.NoAnswer)
	})
}

// TestU09FinalBeforeCancel: the first response is a final one, after the ring limit.
func TestU09FinalBeforeCancel(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(ringFor(2 * time.Second))
		time.Sleep(3 * time.Second)
		p.reject(p.drain()[0], 486, extra{})
		p.quiet(time.Minute)
		l.wantEnd(r, call.NoAnswer)
		l.wantRows(r, "INVITE SIP/2.0 486 Busy Here")
	})
}

// TestU10CancelCrossesOK: the phone was picked up while our CANCEL was on its way.
func TestU10CancelCrossesOK(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(ringFor(5 * time.Second))
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		cancel := p.expect(sip.CANCEL)
		p.reply(invite, 200, extra{body: sdpBody})
		p.reply(cancel, 200, extra{contact: "-"})
		p.expect(sip.ACK)
		bye := p.bye()
		wantReason(t, bye, 487, "Request Terminated")
		wantGet(t, bye, sip.CSeq, "2 BYE")
		p.quiet(time.Minute)
		l.wantEnd(r, call.Cancelled)
		l.wantRows(r, rowRinging, rowAnswered)
	})
}

// TestU11CancelWithout487: dropped 64*T1 after the CANCEL.
func TestU11CancelWithout487(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(ringFor(5 * time.Second))
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		p.reply(p.expect(sip.CANCEL), 200, extra{contact: "-"})
		p.quiet(32*time.Second - time.Millisecond)
		l.wantRunning(r)
		time.Sleep(2 * time.Millisecond)
		l.wantEnd(r, call.NoAnswer)
		l.wantRows(r, rowRinging, "INVITE SIP/2.0 408 Request Timeout")
		p.reply(invite, 487, extra{})
		p.quiet(33 * time.Second) // It waits for a late 2xx, see row X11.
		l.wantNoState()
	})
}

// TestU08CancelAfterChallenge: it is the second INVITE that is cancelled.
func TestU08CancelAfterChallenge(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(ringFor(5 * time.Second))
		p.reject(p.expect(sip.INVITE), 407, challenge(407, "example.com", newNonce()))
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		cancel := p.expect(sip.CANCEL)
		wantCancelOf(t, invite, cancel)
		if cancel.GetOther("Proxy-Authorization") != "" {
			t.Error("credentials in a CANCEL, which is never challenged")
		}
		p.reply(cancel, 200, extra{contact: "-"})
		p.reject(invite, 487, extra{})
		l.wantEnd(r, call.NoAnswer)
	})
}

// TestU09ChallengeAfterCancel: a challenge that comes when the INVITE is to be
// cancelled is the end of it, not the begin of a new one.
func TestU09ChallengeAfterCancel(t *testing.T) {
	for name, progress := range map[string]bool{"after silence": false, "behind the CANCEL": true} {
		t.Run(name, func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				r := l.place(ringFor(2 * time.Second))
				invite := p.expect(sip.INVITE)
				if progress {
					p.reply(invite, 100, extra{contact: "-"})
					p.reply(p.expect(sip.CANCEL), 200, extra{contact: "-"})
				}
				time.Sleep(3 * time.Second)
				p.drain()
				p.reject(invite, 407, challenge(407, "example.com", newNonce()))
				p.quiet(time.Minute)
				l.wantEnd(r, call.NoAnswer)
				want := []string{"INVITE SIP/2.0 407 Proxy Authentication Required"}
				if progress {
					want = append([]string{"INVITE SIP/2.0 100 Trying"}, want...)
				}
				l.wantRows(r, want...)
			})
		})
	}
}
