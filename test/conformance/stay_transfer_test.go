package conformance

import (
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestM01Transfer: C is called, B is joined to C, and only then A is hung up.
func TestM01Transfer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		r.Post(call.Transfer{Leg: call.Caller, Target: &call.Party{URI: "sip:204@example.com"}})
		c := p.expect(sip.INVITE)
		if c.RequestURI != "sip:204@example.com" || len(c.Body) != 0 {
			t.Errorf("INVITE of the target:\n%s", c.Raw())
		}
		p.reply(c, 180, extra{tag: "c"})
		p.quiet(10 * time.Second)
		p.reply(c, 200, extra{tag: "c", body: strings.ReplaceAll(offerB, "192.0.2.30", "192.0.2.40")})
		re := p.expect(sip.INVITE)
		if re.Get(sip.CallID) != b.Get(sip.CallID) || !strings.Contains(string(re.Body), "192.0.2.40") {
			t.Errorf("B is offered\n%s", re.Raw())
		}
		p.reply(re, 200, extra{tag: "b", body: offerB})
		if ack := p.expect(sip.ACK); ack.Get(sip.CallID) != c.Get(sip.CallID) || !strings.Contains(string(ack.Body), "192.0.2.30") {
			t.Errorf("C is answered\n%s", ack.Raw())
		}
		p.expect(sip.ACK)
		if bye := p.bye(); bye.Get(sip.CallID) != a.Get(sip.CallID) {
			t.Error("the BYE is not for A")
		}
		l.wantState(r, call.Connected)
		if caller, callee := r.Snapshot().Parties(); caller.URI != "sip:204@example.com" || callee.URI != "sip:202@example.com" {
			t.Errorf("parties %s and %s", caller.URI, callee.URI)
		}
		p.send(p.request(c, sip.BYE, 1, extra{tag: "c"}))
		p.expect("200")
		if bye := p.bye(); bye.Get(sip.CallID) != b.Get(sip.CallID) {
			t.Error("the BYE is not for B")
		}
		l.wantEnd(r, call.Completed)
	})
}

// TestM02TargetFails: A and B go on, and are told nothing.
func TestM02TargetFails(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		for _, status := range []int{486, 404} {
			r.Post(call.Transfer{Leg: call.Caller, Target: &call.Party{URI: "sip:204@example.com"}})
			p.reply(p.expect(sip.INVITE), status, extra{tag: "c"})
			p.expect(sip.ACK)
			p.quiet(40 * time.Second)
			l.wantState(r, call.Connected)
			if o := r.Snapshot().Transferral().Failure; o == nil || o.SIPCode != status {
				t.Errorf("the failure is %+v", o)
			}
		}
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestM03CalleeHangsUp: B hangs up while C rings: C is cancelled, A is hung up.
func TestM03CalleeHangsUp(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		_, b := p.connect()
		r.Post(call.Transfer{Leg: call.Caller, Target: &call.Party{URI: "sip:204@example.com"}})
		c := p.expect(sip.INVITE)
		p.reply(c, 180, extra{tag: "c"})
		p.quiet(time.Second)
		p.send(p.request(b, sip.BYE, 1, extra{tag: "b"}))
		p.expect("200")
		p.reply(p.expect(sip.BYE), 200, extra{tag: "a"})
		p.reply(p.expect(sip.CANCEL), 200, extra{tag: "c"})
		p.reply(c, 487, extra{tag: "c"})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Completed)
	})
}

// TestT05Fallback: a phone that cannot be referred is connected in INVITE mode on the
// leg that it has answered, and its next call begins so.
func TestT05Fallback(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		fallback := func(o *call.Order) { o.Fallback = true }
		r := l.place(fallback)
		a, refer := p.answer()
		p.reply(refer, 405, extra{})
		for i := range 2 {
			b := p.expect(sip.INVITE)
			p.reply(b, 180, extra{tag: "b"})
			p.reply(b, 200, extra{tag: "b", body: offerB})
			p.reply(p.expect(sip.INVITE), 200, extra{body: sdpBody})
			p.expect(sip.ACK)
			p.expect(sip.ACK)
			l.wantState(r, call.Connected)
			p.send(p.request(a, sip.BYE, 1, extra{}))
			p.expect("200")
			p.bye()
			l.wantEnd(r, call.Completed)
			if i == 1 {
				break
			}
			l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK")
			r = l.place(fallback)
			a = p.expect(sip.INVITE)
			p.reply(a, 200, extra{body: sdpBody})
			p.expect(sip.ACK)
		}
	})
}

// TestU36KeepAlive: both phones are asked, by OPTIONS, whether they are there; one that
// is not, by silence or by its word, ends the call for the other.
func TestU36KeepAlive(t *testing.T) {
	for _, status := range []int{408, 481} {
		audited(t, func(l *lab, p *phone) {
			r := l.place(stay, func(o *call.Order) { o.KeepAlive = time.Minute })
			a, b := p.connect()
			for range 3 {
				p.quiet(59 * time.Second)
				p.reply(p.expect(sip.OPTIONS), 200, extra{tag: "a"})
				p.reply(p.expect(sip.OPTIONS), 405, extra{tag: "b"})
			}
			p.quiet(59 * time.Second)
			gone := p.expect(sip.OPTIONS)
			p.reply(p.expect(sip.OPTIONS), 200, extra{tag: "b"})
			p.reply(gone, status, extra{tag: "a"})
			byeA, byeB := p.bye(), p.bye()
			if byeA.Get(sip.CallID) != a.Get(sip.CallID) || byeB.Get(sip.CallID) != b.Get(sip.CallID) {
				t.Error("the BYEs are not for both")
			}
			l.wantEnd(r, call.Failed)
		})
	}
}

// TestHoldAndResumeByUs: both legs are told to stop, the one that was named first; to
// resume, that one offers anew.
func TestHoldAndResumeByUs(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		r.Post(call.Hold{Leg: call.Callee})
		for _, leg := range []struct {
			invite    received
			tag, body string
		}{{b, "b", offerB}, {a, "a", sdpBody}} {
			re := p.expect(sip.INVITE)
			if re.Get(sip.CallID) != leg.invite.Get(sip.CallID) || !strings.Contains(string(re.Body), "a=inactive\r\n") {
				t.Errorf("hold:\n%s", re.Raw())
			}
			p.reply(re, 200, extra{tag: leg.tag, body: leg.body + "a=inactive\r\n"})
			p.expect(sip.ACK)
		}
		if d := r.Snapshot().Dialogs(); !d[0].Held || !d[1].Held {
			t.Error("the legs do not show that they are held")
		}
		r.Post(call.Resume{Leg: call.Callee})
		ask := p.expect(sip.INVITE)
		if ask.Get(sip.CallID) != b.Get(sip.CallID) || len(ask.Body) != 0 {
			t.Errorf("resume:\n%s", ask.Raw())
		}
		p.reply(ask, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		if re.Get(sip.CallID) != a.Get(sip.CallID) || withoutOrigin(re.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("A is offered\n%s", re.Raw())
		}
		p.reply(re, 200, extra{tag: "a", body: sdpBody})
		if ack := p.expect(sip.ACK); ack.Get(sip.CallID) != b.Get(sip.CallID) || withoutOrigin(ack.Body) != withoutOrigin([]byte(sdpBody)) {
			t.Errorf("ACK of B:\n%s", ack.Raw())
		}
		p.expect(sip.ACK)
		if d := r.Snapshot().Dialogs(); d[0].Held || d[1].Held {
			t.Error("the legs show that they are held still")
		}
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}
