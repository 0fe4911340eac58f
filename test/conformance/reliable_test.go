package conformance

import (
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// reliably is a provisional response that wants a PRACK.
func reliably(seq int, tag, body string) extra {
	return extra{tag: tag, body: body, fields: []string{"Require: 100rel", "RSeq: " + strconv.Itoa(seq)}}
}

// TestU34Prack: one PRACK a RSeq, in order; one that nobody answers does not stop the
// call, and what comes inside the dialog later counts on from it.
func TestU34Prack(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 183, reliably(1, "a", ""))
		prack := p.expect(sip.PRACK)
		if got := prack.Get(sip.RAck); got != "1 1 INVITE" {
			t.Errorf("RAck %q", got)
		}
		if got := prack.Get(sip.CSeq); got != "2 PRACK" {
			t.Errorf("CSeq %q", got)
		}
		if prack.ToTag() != "a" || prack.RequestURI != "sip:201@192.0.2.20:5060" {
			t.Errorf("PRACK:\n%s", prack.Raw())
		}
		p.reply(prack, 200, extra{tag: "a"})
		p.reply(invite, 183, reliably(1, "a", ""))
		p.reply(invite, 180, reliably(3, "a", ""))
		p.quiet(time.Second)
		p.reply(invite, 180, reliably(2, "a", ""))
		second := p.expect(sip.PRACK)
		if got := second.Get(sip.RAck); got != "2 1 INVITE" {
			t.Errorf("RAck %q", got)
		}
		p.reply(invite, 200, extra{tag: "a", body: sdpBody})
		p.expect(sip.ACK)
		refer := p.expect(sip.REFER)
		if got := refer.Get(sip.CSeq); got != "4 REFER" {
			t.Errorf("CSeq %q", got)
		}
		p.reply(second, 481, extra{tag: "a"})
		p.reply(refer, 603, extra{})
		p.bye()
		l.wantEnd(r, call.Failed)
		l.wantRows(r, "INVITE SIP/2.0 183 Session Progress", rowRinging, rowAnswered, "NOTIFY SIP/2.0 603 Decline")
	})
}

// TestU34SilentPrack: nobody answers the PRACK at all.
func TestU34SilentPrack(t *testing.T) {
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 183, reliably(7, "a", ""))
		p.expect(sip.PRACK)
		p.drainFor(time.Minute)
		l.wantState(r, call.CallerRinging)
		p.reply(invite, 486, extra{tag: "a"})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Busy)
	})
}

// TestF21ReliableEarlyOffer: B's offer in a reliable 183 goes to A at once, the answer
// comes in the PRACK, and the 200 is acknowledged without SDP.
func TestF21ReliableEarlyOffer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 183, reliably(1, "b", offerB))
		re := p.expect(sip.INVITE)
		if re.Get(sip.CallID) != a.Get(sip.CallID) || withoutOrigin(re.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("A is offered\n%s", re.Raw())
		}
		p.reply(b, 183, reliably(1, "b", offerB)) // It repeats until it has its PRACK.
		p.reply(re, 200, extra{tag: "a", body: sdpBody})
		prack := p.expect(sip.PRACK)
		if prack.Get(sip.CallID) != b.Get(sip.CallID) || withoutOrigin(prack.Body) != withoutOrigin([]byte(sdpBody)) {
			t.Errorf("B is answered\n%s", prack.Raw())
		}
		p.expect(sip.ACK)
		p.reply(prack, 200, extra{tag: "b"})
		l.wantState(r, call.CalleeRinging)
		p.quiet(20 * time.Second)
		p.reply(b, 200, extra{tag: "b", body: offerB})
		if ack := p.expect(sip.ACK); len(ack.Body) != 0 || ack.Get(sip.CallID) != b.Get(sip.CallID) {
			t.Errorf("ACK of B:\n%s", ack.Raw())
		}
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF21CallerRefuses: the early offer gets an answer that refuses, B is cancelled, A
// is hung up.
func TestF21CallerRefuses(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		_, b := p.answerCaller()
		p.reply(b, 183, reliably(1, "b", offerB))
		p.reply(p.expect(sip.INVITE), 488, extra{tag: "a"})
		p.expect(sip.ACK)
		for range 3 {
			switch m := p.next(); m.Method {
			case sip.PRACK, sip.CANCEL:
				p.reply(m, 200, extra{tag: "b"})
			case sip.BYE:
				p.reply(m, 200, extra{tag: "a"})
			default:
				t.Errorf("got %s", name(m))
			}
		}
		p.reply(b, 487, extra{tag: "b"})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Failed)
	})
}

// TestF21OtherForkAnswers: the 200 comes from another branch than the early offer: what
// that offers goes to A.
func TestF21OtherForkAnswers(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 183, reliably(1, "b1", offerB))
		p.reply(p.expect(sip.INVITE), 200, extra{tag: "a", body: sdpBody})
		p.reply(p.expect(sip.PRACK), 200, extra{tag: "b1"})
		p.expect(sip.ACK)
		p.reply(b, 200, extra{tag: "b2", body: offerB})
		p.reply(p.expect(sip.INVITE), 200, extra{tag: "a", body: sdpBody})
		if ack := p.expect(sip.ACK); withoutOrigin(ack.Body) != withoutOrigin([]byte(sdpBody)) {
			t.Errorf("ACK of B:\n%s", ack.Raw())
		}
		p.expect(sip.ACK)
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}
