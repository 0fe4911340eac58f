package conformance

import (
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// When a request is sent again over UDP (RFC 3261 sections 17.1.1.2 and 17.1.2.2).
var (
	timerA = seconds(0, .5, 1.5, 3.5, 7.5, 15.5, 31.5)
	timerE = seconds(0, .5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
)

func TestU03TimerAB(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		time.Sleep(32*time.Second - time.Millisecond)
		l.wantRunning(r)
		time.Sleep(2 * time.Millisecond)
		l.wantEnd(r, call.TimedOut)
		l.wantRows(r, "INVITE SIP/2.0 408 Request Timeout")
		wantAt(t, "the local 408", r.Snapshot().Rows[0].At.Time().Sub(l.start), 32*time.Second)
		if n := l.engine.Len(); n != 0 {
			t.Errorf("%d calls are in progress", n)
		}
		wantCopies(t, p.drainFor(10*time.Minute), 0, timerA...)
	})
}

// TestU04TimerEF: a REFER, then a BYE, is never answered.
func TestU04TimerEF(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 200, extra{body: sdpBody})
		p.expect(sip.ACK)
		refers, others := split(p.drainFor(64*time.Second), sip.REFER)
		byes, others := split(others, sip.BYE)
		wantCopies(t, refers, 0, timerE...)
		wantCopies(t, byes, 32*time.Second, timerE...)
		wantReason(t, byes[0], 408, "Request Timeout")
		wantNone(t, others)
		l.wantEnd(r, call.TimedOut)
		time.Sleep(20 * time.Millisecond)
		l.wantNoState()
		p.quiet(time.Minute)
	})
}

// TestU04TimerETrying: a REFER that gets a provisional response is sent again every
// 4 s from then on (section 17.1.2.2).
func TestU04TimerETrying(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.answer()
		time.Sleep(time.Second)
		p.reply(refer, 100, extra{contact: "-"})
		time.Sleep(8 * time.Second)
		wantCopies(t, p.drain(), 0, seconds(.5, 1.5, 5.5)...)
		p.reply(refer, 202, extra{})
		p.finish(invite, 1)
		l.wantEnd(r, call.Completed)
	})
}

func TestU04TimerEFCancel(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place(func(o *call.Order) { o.RingTimeout = 5 * time.Second })
		p.reply(p.expect(sip.INVITE), 180, extra{})
		wantCopies(t, p.drainFor(10*time.Minute), 5*time.Second, timerE...)
		l.wantEnd(r, call.NoAnswer)
	})
}

// TestU06RepeatedOK: the ACK is lost three times.
func TestU06RepeatedOK(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		ok := p.response(invite, 200, extra{body: sdpBody})
		p.send(ok)
		acks := []received{p.expect(sip.ACK)}
		p.reply(p.expect(sip.REFER), 202, extra{})
		for range 3 {
			time.Sleep(time.Second)
			p.send(ok)
			acks = append(acks, p.expect(sip.ACK))
		}
		for _, a := range acks[1:] {
			if a.Raw() != acks[0].Raw() {
				t.Errorf("another ACK:\n%s\nfirst\n%s", a.Raw(), acks[0].Raw())
			}
		}
		p.quiet(10 * time.Second)
		l.wantRows(r, rowAnswered)
		p.finish(invite, 1)
		l.wantEnd(r, call.Completed)
	})
}

func TestU07AckOfFailure(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		busy := p.response(invite, 486, extra{tag: "busy"})
		var acks []received
		for range 4 {
			p.send(busy)
			acks = append(acks, p.expect(sip.ACK))
			time.Sleep(time.Second)
		}
		wantCopies(t, acks, 0, seconds(0, 1, 2, 3)...)
		ack := acks[0]
		wantFields(t, ack, invite, sip.Via, sip.Route, sip.From, sip.CallID)
		wantGet(t, ack, sip.To, "<sip:201@example.com>;tag=busy")
		wantGet(t, ack, sip.CSeq, "1 ACK")
		if ack.RequestURI != invite.RequestURI || len(ack.Body) > 0 || ack.from != invite.from {
			t.Errorf("ACK:\n%s", ack.Raw())
		}
		l.wantEnd(r, call.Busy)
		l.wantRows(r, "INVITE SIP/2.0 486 Busy Here")
		time.Sleep(30 * time.Second) // Past timer D.
		p.send(busy)
		p.quiet(time.Minute)
	})
}
