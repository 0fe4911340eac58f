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

// TestF20UnreliableEarlyOffer: SDP in a 183 is no offer; that of the 200 counts.
func TestF20UnreliableEarlyOffer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		p.reply(b, 183, extra{tag: "b", body: strings.ReplaceAll(offerB, "5000", "5998")})
		p.quiet(time.Second)
		p.reply(b, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		if withoutOrigin(re.Body) != withoutOrigin([]byte(offerB)) {
			t.Errorf("A is offered\n%s", re.Body)
		}
		p.reply(re, 200, extra{tag: "a", body: sdpBody})
		p.expect(sip.ACK)
		p.expect(sip.ACK)
		p.hangUpBoth(a, b)
		l.wantEnd(r, call.Completed)
	})
}

// TestU36MaxDuration: a call in which nobody hangs up ends.
func TestU36MaxDuration(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay, func(o *call.Order) { o.MaxDuration = time.Hour - time.Minute })
		p.connect()
		p.quiet(58 * time.Minute)
		p.bye()
		p.bye()
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
