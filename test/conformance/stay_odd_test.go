package conformance

import (
	"strings"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

func automatic(o *call.Order) { o.Mode, o.Automatic = call.ByStay, true }

// TestF04FlowI: A makes the offer, an automatic B answers it, and A has the answer in its
// ACK.
func TestF04FlowI(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(automatic)
		a := p.expect(sip.INVITE)
		if len(a.Body) != 0 {
			t.Errorf("A is offered\n%s", a.Body)
		}
		p.reply(a, 180, extra{tag: "a"})
		p.reply(a, 200, extra{tag: "a", body: sdpBody})
		b := p.expect(sip.INVITE)
		if withoutOrigin(b.Body) != withoutOrigin([]byte(sdpBody)) {
			t.Errorf("B is offered\n%s", b.Body)
		}
		p.reply(b, 200, extra{tag: "b", body: offerB})
		if ack := p.expect(sip.ACK); ack.Get(sip.CallID) != b.Get(sip.CallID) || len(ack.Body) != 0 {
			t.Errorf("ACK of B:\n%s", ack.Raw())
		}
		if ack := p.expect(sip.ACK); ack.Get(sip.CallID) != a.Get(sip.CallID) || withoutOrigin(ack.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("ACK of A:\n%s", ack.Raw())
		}
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF04CalleeFails: A gets its ACK, with an answer that refuses, and a BYE.
func TestF04CalleeFails(t *testing.T) {
	for _, status := range []int{486, 488} {
		audited(t, func(l *lab, p *phone) {
			r := l.place(automatic)
			p.reply(p.expect(sip.INVITE), 200, extra{tag: "a", body: sdpBody})
			p.reply(p.expect(sip.INVITE), status, extra{tag: "b"})
			p.expect(sip.ACK)
			if ack := p.expect(sip.ACK); !strings.Contains(string(ack.Body), "m=audio 0 ") {
				t.Errorf("ACK of A:\n%s", ack.Raw())
			}
			p.bye()
			if c := r.Snapshot(); c.State != call.Ended || c.Outcome.SIPCode != status {
				t.Errorf("the call is %s %+v", c.State, c.Outcome)
			}
		})
	}
}

// TestU19Redirect: a 3xx is not followed, wherever it leads.
func TestU19Redirect(t *testing.T) {
	moved := extra{tag: "x", fields: []string{"Contact: <sip:1900555@203.0.113.9:5060>"}, contact: "-"}
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		p.reply(p.expect(sip.INVITE), 302, moved)
		p.expect(sip.ACK)
		l.wantEnd(r, call.Failed)
		l.wantRows(r, "INVITE SIP/2.0 302 Moved Temporarily")
	})
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		_, b := p.answerCaller()
		p.reply(b, 302, moved)
		p.expect(sip.ACK)
		wantReason(t, p.bye(), 302, "Moved Temporarily")
		l.wantEnd(r, call.Failed)
	})
}

// TestU42HeaderFirewall: nothing of B's fields reaches A, in requests or responses.
func TestU42HeaderFirewall(t *testing.T) {
	junk := []string{"P-Charging-Vector: icid-value=1", "X-Secret: 1", "Authorization: Digest username=\"b\"", "P-Asserted-Identity: <sip:b@b>", "Reason: SIP;cause=999"}
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 200, extra{tag: "b", body: offerB, fields: junk})
		re := p.expect(sip.INVITE)
		p.reply(re, 200, extra{tag: "a", body: sdpBody})
		p.expect(sip.ACK)
		p.expect(sip.ACK)
		p.send(p.request(b, sip.INVITE, 1, extra{tag: "b", body: offerB, fields: junk}))
		second := p.expect(sip.INVITE)
		p.reply(second, 200, extra{tag: "a", body: sdpBody, fields: junk})
		p.expect(sip.ACK)
		ok := p.expect("200")
		p.send(p.request(b, sip.ACK, 1, extra{tag: "b"}))
		p.send(p.request(b, sip.BYE, 2, extra{tag: "b", fields: junk}))
		p.expect("200")
		bye := p.bye()
		for _, m := range []received{re, second, ok, bye} {
			for _, f := range junk {
				name, value, _ := strings.Cut(f, ": ")
				if strings.Contains(m.Raw(), name) && strings.Contains(m.Raw(), value) {
					t.Errorf("%s of the other phone stands in\n%s", name, m.Raw())
				}
			}
		}
		_ = a
		l.wantEnd(r, call.Completed)
	})
}

// TestU43OurOwnInvite: the calling party is forwarded to the server itself: 482, and no
// second leg.
func TestU43OurOwnInvite(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		via, err := invite.Via()
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(invite.Raw(), via.Branch(), via.Branch()+"fwd", 1)
		text = strings.Replace(text, "SIP/2.0/UDP "+l.server.String(), "SIP/2.0/UDP "+p.addr.String(), 1)
		p.send(strings.Replace(text, "INVITE sip:201@example.com", "INVITE sip:201@"+l.server.String(), 1))
		p.expect("482")
		p.reply(invite, 482, extra{})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Failed)
		if n := l.ua.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}
