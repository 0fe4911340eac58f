package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip"
)

// A call of INVITE mode has two legs. Both reach the phone of the lab, which stands
// where the proxy is, so that the order of all messages is seen.

// offerB is what the called party's phone offers.
const offerB = "v=0\r\no=bob 77 1 IN IP4 192.0.2.30\r\ns=-\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\na=sendrecv\r\n"

func stay(o *call.Order) { o.Mode = call.ByStay }

// answerCaller plays the calling party up to the INVITE of the called one.
func (p *phone) answerCaller() (a, b received) {
	p.Helper()
	a = p.expect(sip.INVITE)
	p.reply(a, 180, extra{tag: "a"})
	p.reply(a, 200, extra{tag: "a", body: sdpBody})
	p.expect(sip.ACK)
	b = p.expect(sip.INVITE)
	return a, b
}

// connect plays a whole set-up, as row F05 wants it.
func (p *phone) connect() (a, b received) {
	p.Helper()
	a, b = p.answerCaller()
	p.reply(b, 180, extra{tag: "b"})
	p.reply(b, 200, extra{tag: "b", body: offerB})
	re := p.expect(sip.INVITE)
	p.reply(re, 200, extra{tag: "a", body: sdpBody})
	p.expect(sip.ACK)
	p.expect(sip.ACK)
	return a, b
}

func (l *lab) wantState(r *engine.Running, want call.State) {
	l.Helper()
	if got := r.Snapshot().State; got != want {
		l.Errorf("the call is %s, want %s", got, want)
	}
}

// withoutOrigin cuts the o= line out of a description.
func withoutOrigin(body []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "o=") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func origin(body []byte) string {
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "o=") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestF05LateOffer: re-INVITE of A with B's offer, ACK of B with A's answer, ACK of A,
// in this order; the o= line is ours on each leg, and rises (row F07).
func TestF05LateOffer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		if got := b.RequestURI; got != "sip:202@example.com" || len(b.Body) != 0 {
			t.Errorf("INVITE %s with %d bytes, want sip:202@example.com without SDP", got, len(b.Body))
		}
		if from := b.Get(sip.From); !strings.Contains(from, "sip:203@example.com") {
			t.Errorf("From of the called party's leg is %s, want the agent", from)
		}
		p.reply(b, 180, extra{tag: "b"})
		p.quiet(40 * time.Second) // Row F01: nothing is left unacknowledged meanwhile.
		p.reply(b, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		if re.Get(sip.CallID) != a.Get(sip.CallID) || withoutOrigin(re.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("the calling party is offered\n%s", re.Body)
		}
		p.reply(re, 200, extra{tag: "a", body: sdpBody})
		ackB, ackA := p.expect(sip.ACK), p.expect(sip.ACK)
		if ackB.Get(sip.CallID) != b.Get(sip.CallID) || withoutOrigin(ackB.Body) != withoutOrigin([]byte(sdpBody)) {
			t.Errorf("the called party is answered\n%s", ackB.Raw())
		}
		if ackA.Get(sip.CallID) != a.Get(sip.CallID) || len(ackA.Body) != 0 {
			t.Errorf("ACK of the calling party:\n%s", ackA.Raw())
		}
		first, second := origin(a.Body), origin(re.Body)
		if want := strings.Replace(first, " 1 IN", " 2 IN", 1); second != want {
			t.Errorf("o= line %s, then %s", first, second)
		}
		l.wantState(r, call.Connected)
		p.send(p.request(b, sip.BYE, 1, extra{tag: "b"}))
		p.expect("200")
		if bye := p.bye(); bye.Get(sip.CallID) != a.Get(sip.CallID) {
			t.Error("the BYE is not for the calling party")
		}
		l.wantEnd(r, call.Completed)
	})
}

// TestF15CalleeFails: the calling party is hung up at once, with the reason.
func TestF15CalleeFails(t *testing.T) {
	for status, result := range map[int]call.Result{486: call.Busy, 404: call.Unreachable, 603: call.Declined, 408: call.NoAnswer} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place(stay)
				a, b := p.answerCaller()
				p.reply(b, status, extra{tag: "b"})
				p.expect(sip.ACK)
				bye := p.bye()
				want := fmt.Sprintf("SIP;cause=%d;text=%q", status, sip.ReasonPhrase(status))
				if bye.Get(sip.CallID) != a.Get(sip.CallID) || bye.Get(sip.Reason) != want {
					t.Errorf("Reason %s, want %s", bye.Get(sip.Reason), want)
				}
				l.wantEnd(r, result)
			})
		})
	}
}

// TestF15CalleeSilent: no response at all for 32 s.
func TestF15CalleeSilent(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		p.answerCaller()
		m := p.next()
		for m.Method == sip.INVITE {
			m = p.next()
		}
		if m.Method != sip.BYE || m.Get(sip.Reason) != `SIP;cause=408;text="Request Timeout"` {
			t.Errorf("got %s with %s", m.Method, m.Get(sip.Reason))
		}
		p.reply(m, 200, extra{tag: "a"})
		l.wantEnd(r, call.TimedOut)
	})
}

// TestF15CalleeRings: the ring timeout holds for the called party too.
func TestF15CalleeRings(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay, func(o *call.Order) { o.RingTimeout = 20 * time.Second })
		_, b := p.answerCaller()
		p.reply(b, 180, extra{tag: "b"})
		p.quiet(19 * time.Second)
		bye, cancel := p.next(), p.next()
		if bye.Method != sip.BYE {
			bye, cancel = cancel, bye
		}
		p.reply(bye, 200, extra{tag: "a"})
		p.reply(cancel, 200, extra{tag: "b"})
		p.reply(b, 487, extra{tag: "b"})
		p.expect(sip.ACK)
		l.wantEnd(r, call.NoAnswer)
	})
}

// TestF11CallerRefuses: B's 2xx gets an ACK with an answer that refuses, then a BYE.
func TestF11CallerRefuses(t *testing.T) {
	for _, status := range []int{488, 415, 500, 408} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place(stay)
				a, b := p.answerCaller()
				p.reply(b, 200, extra{tag: "b", body: offerB})
				re := p.expect(sip.INVITE)
				p.reply(re, status, extra{tag: "a"})
				p.expect(sip.ACK)
				byeA := p.expect(sip.BYE)
				ackB := p.expect(sip.ACK)
				byeB := p.expect(sip.BYE)
				if byeA.Get(sip.CallID) != a.Get(sip.CallID) || byeB.Get(sip.CallID) != b.Get(sip.CallID) {
					t.Error("the BYEs are not for both")
				}
				if !strings.Contains(string(ackB.Body), "m=audio 0 RTP/AVP 0\r\n") {
					t.Errorf("the ACK does not refuse the stream:\n%s", ackB.Body)
				}
				p.reply(byeA, 200, extra{tag: "a"})
				p.reply(byeB, 200, extra{tag: "b"})
				l.wantEnd(r, call.Failed)
			})
		})
	}
}

// TestF12Glare: 491 brings another try after 2.1 to 4 s; B's 2xx waits for its answer.
func TestF12Glare(t *testing.T) {
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		p.reply(re, 491, extra{tag: "a"})
		p.expect(sip.ACK)
		p.reply(b, 200, extra{tag: "b", body: offerB}) // Repeated: no ACK yet.
		again := p.expect(sip.INVITE)
		if wait := again.at - re.at; wait < 2100*time.Millisecond || wait > 4020*time.Millisecond {
			t.Errorf("tried again after %v", wait)
		}
		if origin(again.Body) != origin(re.Body) {
			t.Error("the version rose without a change")
		}
		p.reply(again, 200, extra{tag: "a", body: sdpBody})
		p.expect(sip.ACK)
		p.expect(sip.ACK)
		l.wantState(r, call.Connected)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// hangUpBoth lets the calling party hang up.
func (p *phone) hangUpBoth(a, _ received) {
	p.Helper()
	p.send(p.request(a, sip.BYE, 99, extra{tag: "a"}))
	p.expect("200")
	p.bye()
}

// TestF16CallerHangsUp: while B rings: 200, and CANCEL for B; a 2xx that crosses it is
// acknowledged and ended.
func TestF16CallerHangsUp(t *testing.T) {
	for _, late := range []bool{false, true} {
		audited(t, func(l *lab, p *phone) {
			r := l.place(stay)
			a, b := p.answerCaller()
			p.reply(b, 180, extra{tag: "b"})
			p.quiet(time.Second)
			p.send(p.request(a, sip.BYE, 1, extra{tag: "a"}))
			p.expect("200")
			cancel := p.expect(sip.CANCEL)
			p.reply(cancel, 200, extra{tag: "b"})
			if late {
				p.reply(b, 200, extra{tag: "b", body: offerB})
				p.expect(sip.ACK)
				p.bye()
			} else {
				p.reply(b, 487, extra{tag: "b"})
				p.expect(sip.ACK)
			}
			l.wantEnd(r, call.Cancelled)
		})
	}
}

// TestF17CallerHangsUpInstead: of answering the re-INVITE.
func TestF17CallerHangsUpInstead(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		p.send(p.request(a, sip.BYE, 1, extra{tag: "a"}))
		p.expect("200")
		p.expect(sip.ACK)
		p.bye()
		p.reply(re, 487, extra{tag: "a"})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Cancelled)
	})
}

// TestF18BothHangUp: at once: each is answered, and no BYE of ours is left.
func TestF18BothHangUp(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.connect()
		p.send(p.request(a, sip.BYE, 1, extra{tag: "a"}))
		p.expect("200")
		bye := p.expect(sip.BYE)
		p.send(p.request(b, sip.BYE, 1, extra{tag: "b"}))
		p.expect("200")
		p.reply(bye, 481, extra{tag: "b"})
		l.wantEnd(r, call.Completed)
	})
}

// TestF19NoOffer: B's 2xx without SDP.
func TestF19NoOffer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		_, b := p.answerCaller()
		p.reply(b, 200, extra{tag: "b"})
		byeA := p.expect(sip.BYE)
		p.expect(sip.ACK)
		byeB := p.expect(sip.BYE)
		p.reply(byeA, 200, extra{tag: "a"})
		p.reply(byeB, 200, extra{tag: "b"})
		if got := byeA.Get(sip.Reason); !strings.HasPrefix(got, "SIP;cause=488;") {
			t.Errorf("Reason %s", got)
		}
		l.wantEnd(r, call.Failed)
	})
}

// TestF10NoCommonCodec: A's answer refuses every stream.
func TestF10NoCommonCodec(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		_, b := p.answerCaller()
		p.reply(b, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		p.reply(re, 200, extra{tag: "a", body: strings.Replace(sdpBody, "m=audio 4000", "m=audio 0", 1)})
		ackB := p.expect(sip.ACK)
		if !strings.Contains(string(ackB.Body), "m=audio 0 ") {
			t.Errorf("the ACK of B:\n%s", ackB.Body)
		}
		p.expect(sip.ACK)
		p.bye()
		p.bye()
		l.wantEnd(r, call.Failed)
	})
}

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
		p.send(p.request(a, sip.INVITE, 1, extra{tag: "a", body: sdpBody}))
		re := p.expect(sip.INVITE)
		p.send(p.request(a, sip.INVITE, 2, extra{tag: "a", body: sdpBody}))
		refused := p.expect("500")
		if refused.Get(sip.RetryAfter) == "" {
			t.Error("500 without Retry-After")
		}
		p.send(p.ackFor(a, 2, refused))
		p.send(p.request(b, sip.INVITE, 1, extra{tag: "b", body: offerB}))
		p.send(p.ackFor(b, 1, p.expect("491")))
		p.reply(re, 200, extra{tag: "b", body: offerB})
		p.expect(sip.ACK)
		p.expect("200")
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

// TestF06CalleeWantsOffer: B refuses the INVITE without SDP: one more with what A said,
// then B's answer goes to A, and A's to B.
func TestF06CalleeWantsOffer(t *testing.T) {
	for _, status := range []int{488, 400, 415} {
		audited(t, func(l *lab, p *phone) {
			r := l.place(stay)
			a, b := p.answerCaller()
			p.reply(b, status, extra{tag: "b"})
			p.expect(sip.ACK)
			b = p.expect(sip.INVITE)
			if withoutOrigin(b.Body) != withoutOrigin([]byte(sdpBody)) {
				t.Errorf("B is offered\n%s", b.Body)
			}
			p.reply(b, 200, extra{tag: "b", body: offerB})
			p.expect(sip.ACK)
			p.reply(p.expect(sip.INVITE), 200, extra{tag: "a", body: sdpBody})
			p.expect(sip.ACK)
			p.reply(p.expect(sip.INVITE), 200, extra{tag: "b", body: offerB})
			p.expect(sip.ACK)
			l.wantState(r, call.Connected)
			p.hangUpBoth(a, b)
			l.wantEnd(r, call.Completed)
		})
	}
}

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
			l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 405 Method Not Allowed", "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK")
			r = l.place(fallback)
			a = p.expect(sip.INVITE)
			p.reply(a, 200, extra{body: sdpBody})
			p.expect(sip.ACK)
		}
	})
}
