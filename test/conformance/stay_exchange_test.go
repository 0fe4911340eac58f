package conformance

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestF13EarlyReinvite: A re-INVITEs while B rings: 491 each time.
func TestF13EarlyReinvite(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 180, extra{tag: "b"})
		for seq := 1; seq < 4; seq++ {
			p.send(p.request(a, sip.INVITE, seq, extra{tag: "a", body: sdpBody}))
			p.send(p.ackFor(a, seq, p.expect("491")))
		}
		p.send(p.request(a, sip.BYE, 4, extra{tag: "a"}))
		p.expect("200")
		p.reply(p.expect(sip.CANCEL), 200, extra{tag: "b"})
		p.reply(b, 487, extra{tag: "b"})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Cancelled)
	})
}

// TestF23Hold: hold and resume are passed on, and the answer comes back; a refusal of
// B is passed back, and the call stays.
func TestF23Hold(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		seq := 0
		var versions []string
		for _, direction := range []string{"sendonly", "inactive", "sendrecv"} {
			seq++
			p.send(p.request(a, sip.INVITE, seq, extra{tag: "a", body: sdpBody + "a=" + direction + "\r\n"}))
			re := p.expect(sip.INVITE)
			if re.Get(sip.CallID) != b.Get(sip.CallID) || !strings.Contains(string(re.Body), "a="+direction+"\r\n") {
				t.Errorf("B is offered\n%s", re.Raw())
			}
			versions = append(versions, origin(re.Body))
			p.reply(re, 200, extra{tag: "b", body: strings.Replace(offerB, "a=sendrecv", "a=x-"+direction, 1)})
			p.expect(sip.ACK)
			ok := p.expect("200")
			if !strings.Contains(string(ok.Body), "a=x-"+direction) {
				t.Errorf("A is answered\n%s", ok.Body)
			}
			p.send(p.request(a, sip.ACK, seq, extra{tag: "a"}))
		}
		if versions[0] == versions[1] || versions[1] == versions[2] {
			t.Errorf("versions %v", versions)
		}
		p.send(p.request(a, sip.INVITE, 4, extra{tag: "a", body: sdpBody + "a=recvonly\r\n"}))
		p.reply(p.expect(sip.INVITE), 488, extra{tag: "b"})
		p.expect(sip.ACK)
		p.send(p.ackFor(a, 4, p.expect("488")))
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF14PendingReinvite: a second re-INVITE before the first has its answer gets 500,
// one of the other phone 491.
func TestF14PendingReinvite(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		video := "m=video 6000 RTP/AVP 31\r\n"
		p.send(p.request(a, sip.INVITE, 1, extra{tag: "a", body: sdpBody + video}))
		re := p.expect(sip.INVITE)
		p.send(p.request(a, sip.INVITE, 2, extra{tag: "a", body: offerB}))
		refused := p.expect("500")
		if refused.Get(sip.RetryAfter) == "" {
			t.Error("500 without Retry-After")
		}
		p.send(p.ackFor(a, 2, refused))
		p.send(p.request(b, sip.INVITE, 1, extra{tag: "b", body: offerB}))
		p.send(p.ackFor(b, 1, p.expect("491")))
		p.reply(re, 200, extra{tag: "b", body: offerB})
		p.expect(sip.ACK)
		if ok := p.expect("200"); strings.Count(string(ok.Body), "m=") != 2 || !strings.Contains(string(ok.Body), "m=video 0 ") {
			t.Errorf("the offer that was taken is answered\n%s", ok.Body)
		}
		p.send(p.request(a, sip.ACK, 1, extra{tag: "a"}))
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF24OfferlessReinvite: B is asked for an offer too, A's answer comes in its ACK.
func TestF24OfferlessReinvite(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		p.send(p.request(a, sip.INVITE, 1, extra{tag: "a"}))
		re := p.expect(sip.INVITE)
		if len(re.Body) != 0 {
			t.Errorf("B is offered\n%s", re.Body)
		}
		p.reply(re, 200, extra{tag: "b", body: offerB})
		ok := p.expect("200")
		if withoutOrigin(ok.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("A is offered\n%s", ok.Body)
		}
		p.send(p.request(a, sip.ACK, 1, extra{tag: "a", body: sdpBody}))
		ack := p.expect(sip.ACK)
		if ack.Get(sip.CallID) != b.Get(sip.CallID) || withoutOrigin(ack.Body) != withoutOrigin([]byte(sdpBody)) {
			t.Errorf("B is answered\n%s", ack.Raw())
		}
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF25Update: with SDP it is passed on, without it refreshes the target only.
func TestF25Update(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		p.send(p.request(a, sip.UPDATE, 1, extra{tag: "a"}))
		p.expect("200")
		p.send(p.request(a, sip.UPDATE, 2, extra{tag: "a", body: sdpBody + "a=sendonly\r\n"}))
		re := p.expect(sip.INVITE)
		p.reply(re, 200, extra{tag: "b", body: offerB})
		p.expect(sip.ACK)
		if ok := p.expect("200"); withoutOrigin(ok.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("A is answered\n%s", ok.Body)
		}
		p.send(p.request(a, sip.UPDATE, 3, extra{tag: "a", body: "hello", kind: "text/plain"}))
		p.expect("415")
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestM07Info: DTMF goes to the other phone, and its answer comes back; nothing but the
// body and what says what it is goes over (row U42).
func TestM07Info(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		dtmf := extra{tag: "a", kind: "application/dtmf-relay", body: "Signal=5\r\n", fields: []string{"X-Secret: 1", "P-Asserted-Identity: <sip:a@b>"}}
		for seq, status := range []int{200, 415} {
			p.send(p.request(a, sip.INFO, seq+1, dtmf))
			info := p.expect(sip.INFO)
			if info.Get(sip.CallID) != b.Get(sip.CallID) || string(info.Body) != dtmf.body || !info.ContentTypeIs(dtmf.kind) {
				t.Errorf("B gets\n%s", info.Raw())
			}
			if info.GetOther("X-Secret") != "" || strings.Contains(info.Raw(), "Asserted") {
				t.Errorf("a field of A reaches B:\n%s", info.Raw())
			}
			p.reply(info, status, extra{tag: "b"})
			p.expect(strconv.Itoa(status))
		}
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestU37InfoToNobody: a phone that knows the dialog no more is gone: the other one is
// hung up.
func TestU37InfoToNobody(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, _ := p.connect()
		p.send(p.request(a, sip.INFO, 1, extra{tag: "a", kind: "application/dtmf-relay", body: "Signal=5\r\n"}))
		p.reply(p.expect(sip.INFO), 481, extra{tag: "b"})
		p.expect("480")
		if bye := p.bye(); bye.Get(sip.CallID) != a.Get(sip.CallID) {
			t.Error("the first BYE is not for A")
		}
		p.reply(p.expect(sip.BYE), 481, extra{tag: "b"})
		l.wantEnd(r, call.Failed)
	})
}

// TestM05ReferIsDeclined: a phone that wants to transfer by itself is told no.
func TestM05ReferIsDeclined(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		p.send(p.request(a, sip.REFER, 1, extra{tag: "a", fields: []string{"Refer-To: <sip:204@example.com>"}}))
		p.expect("603")
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF26TargetRefresh: a new Contact in a re-INVITE that we accept is where the BYE
// goes; one in a re-INVITE that we refuse is not.
func TestF26TargetRefresh(t *testing.T) {
	for _, accepted := range []bool{true, false} {
		audited(t, func(l *lab, p *phone) {
			r := l.place(stay)
			a, b := p.connect()
			const moved = "sip:moved@192.0.2.20:5060"
			p.send(p.request(a, sip.INVITE, 1, extra{tag: "a", body: sdpBody, contact: "<" + moved + ">"}))
			re := p.expect(sip.INVITE)
			if accepted {
				p.reply(re, 200, extra{tag: "b", body: offerB})
				p.expect(sip.ACK)
				p.expect("200")
				p.send(p.request(a, sip.ACK, 1, extra{tag: "a"}))
			} else {
				p.reply(re, 488, extra{tag: "b"})
				p.expect(sip.ACK)
				p.send(p.ackFor(a, 1, p.expect("488")))
			}
			p.send(p.request(b, sip.BYE, 1, extra{tag: "b"}))
			p.expect("200")
			if bye := p.bye(); (bye.RequestURI == moved) != accepted {
				t.Errorf("accepted %t: BYE to %s", accepted, bye.RequestURI)
			}
			l.wantEnd(r, call.Completed)
		})
	}
}

// TestF30HoldAndResume: two hundred rounds of hold and resume from both phones: the
// versions to each leg rise by one with each change, and the last descriptions arrive.
func TestF30HoldAndResume(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		for round := range 200 {
			from, tag, other, answer := a, "a", "b", offerB
			offer := strings.Replace(sdpBody, "t=0 0", "t=0 0\r\na=round:"+strconv.Itoa(round), 1)
			if round%2 == 1 {
				from, tag, other, answer = b, "b", "a", sdpBody
			}
			p.send(p.request(from, sip.INVITE, round+1, extra{tag: tag, body: offer}))
			re := p.expect(sip.INVITE)
			if withoutOrigin(re.Body) != withoutOrigin([]byte(offer)) {
				t.Fatalf("round %d: offered\n%s", round, re.Body)
			}
			p.reply(re, 200, extra{tag: other, body: answer})
			p.expect(sip.ACK)
			if ok := p.expect("200"); withoutOrigin(ok.Body) != withoutOrigin([]byte(answer)) {
				t.Fatalf("round %d: answered\n%s", round, ok.Body)
			}
			p.send(p.request(from, sip.ACK, round+1, extra{tag: tag}))
		}
		p.send(p.request(a, sip.BYE, 1000, extra{tag: "a"}))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestF23NoAnswer: a phone that leaves a re-INVITE at 100 holds nobody up for long.
func TestF23NoAnswer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		p.send(p.request(a, sip.INVITE, 1, extra{tag: "a", body: sdpBody}))
		re := p.expect(sip.INVITE)
		p.reply(re, 100, extra{tag: "b"})
		cancel := p.expect(sip.CANCEL)
		if wait := cancel.at - re.at; wait < 20*time.Second || wait > 20*time.Second+50*time.Millisecond {
			t.Errorf("cancelled after %v", wait)
		}
		p.reply(cancel, 200, extra{tag: "b"})
		p.reply(re, 487, extra{tag: "b"})
		p.expect(sip.ACK)
		p.send(p.ackFor(a, 1, p.expect("487")))
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestF13RefusalWithoutAck: a refused re-INVITE whose refusal is never acknowledged is
// no reason to hang up (found by test/model).
func TestF13RefusalWithoutAck(t *testing.T) {
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place(stay)
		a, b := p.connect()
		p.send(p.request(a, sip.INVITE, 1, extra{tag: "a", body: sdpBody}))
		p.reply(p.expect(sip.INVITE), 488, extra{tag: "b"})
		p.expect(sip.ACK)
		for _, m := range p.drainFor(40 * time.Second) {
			if name(m) != "488" {
				t.Errorf("the server sends\n%s", m.Raw())
			}
		}
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}
