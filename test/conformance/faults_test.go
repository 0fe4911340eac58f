package conformance

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport/memnet"
)

// TestX01CallerNeverAnswers: CANCEL when the time is over, and nothing once it has
// worked.
func TestX01CallerNeverAnswers(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(func(o *call.Order) { o.RingTimeout = 5 * time.Second })
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		cancel := p.expect(sip.CANCEL)
		wantAt(t, "CANCEL", cancel.at, 5*time.Second)
		wantReason(t, cancel, 408, "Request Timeout")
		p.reply(cancel, 200, extra{})
		p.reply(invite, 487, extra{})
		p.expect(sip.ACK)
		l.wantEnd(r, call.NoAnswer)
		l.wantOutcome(r.Snapshot(), call.Outcome{Result: call.NoAnswer, EndedBy: call.ByServer})
		l.wantRows(r, rowRinging, "INVITE SIP/2.0 487 Request Terminated")
		p.quiet(33 * time.Second)
	})
}

// TestX02CallerRefuses: busy and declined end the call; nobody is told to call.
func TestX02CallerRefuses(t *testing.T) {
	for status, result := range map[int]call.Result{486: call.Busy, 603: call.Declined, 404: call.Unreachable, 480: call.Unreachable} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite := p.expect(sip.INVITE)
				p.reply(invite, 180, extra{})
				p.reply(invite, status, extra{})
				p.expect(sip.ACK)
				p.quiet(time.Minute)
				l.wantEnd(r, result)
				l.wantOutcome(r.Snapshot(), call.Outcome{Result: result, FailedLeg: call.Caller, SIPCode: status, EndedBy: call.ByCaller})
				l.wantRows(r, rowRinging, fmt.Sprintf("INVITE SIP/2.0 %d %s", status, sip.ReasonPhrase(status)))
			})
		})
	}
}

// TestX04CalleeRefuses: what the called party did is the last row, and the calling
// party's phone is told it.
func TestX04CalleeRefuses(t *testing.T) {
	for status, result := range map[int]call.Result{603: call.Declined, 486: call.Busy, 404: call.Unreachable, 408: call.NoAnswer} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				line := fmt.Sprintf("SIP/2.0 %d %s", status, sip.ReasonPhrase(status))
				r := l.place()
				invite, _ := p.accept()
				p.send(p.notify(invite, 1, active, "SIP/2.0 100 Trying"))
				p.expect("200")
				p.quiet(15 * time.Second)
				p.send(p.notify(invite, 2, terminal, line))
				answer := p.expect("200")
				bye := p.bye()
				wantAt(t, "BYE", bye.at, answer.at)
				wantReason(t, bye, status, sip.ReasonPhrase(status))
				l.wantEnd(r, result)
				l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 100 Trying", "NOTIFY "+line)
			})
		})
	}
}

// lose drops the first n requests of a method that leave the server, and counts
// all of them.
func (l *lab) lose(method string, n int) (seen *int) {
	seen = new(int)
	l.net.SetHook(func(from, _ netip.AddrPort, data []byte) []memnet.Delivery {
		m, err := sip.Parse(data)
		if err != nil || from != serverAddr || m.Method != method {
			return nil
		}
		if *seen++; *seen <= n {
			return []memnet.Delivery{}
		}
		return nil
	})
	return seen
}

// repeat200 are the moments at which a phone repeats a 200 that is not
// acknowledged, from the one before (RFC 3261 section 13.3.1.4).
var repeat200 = []time.Duration{
	500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second,
	4 * time.Second, 4 * time.Second, 4 * time.Second, 4 * time.Second, 4 * time.Second,
}

// TestX05LostAck: each 200 that comes gets the same ACK, and the call goes on.
func TestX05LostAck(t *testing.T) {
	for lost := 1; lost <= 2; lost++ {
		t.Run(strconv.Itoa(lost), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				acks := l.lose(sip.ACK, lost)
				r := l.place()
				invite := p.expect(sip.INVITE)
				ok := p.response(invite, 200, extra{body: sdpBody})
				p.send(ok)
				refer := p.expect(sip.REFER)
				for _, d := range repeat200[:lost] {
					time.Sleep(d)
					p.send(ok)
				}
				var ack received
				for _, m := range p.drainFor(100 * time.Millisecond) {
					switch {
					case m.Method == sip.ACK:
						ack = m
					case m.Method != sip.REFER || m.Raw() != refer.Raw():
						t.Errorf("unexpected\n%s", m.Raw())
					}
				}
				if ack.Message == nil || *acks != lost+1 {
					t.Fatalf("%d ACKs left, want %d, the last of them not lost", *acks, lost+1)
				}
				p.reply(refer, 202, extra{})
				p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK"))
				p.expect("200")
				p.bye()
				l.wantEnd(r, call.Completed)
				l.wantRows(r, "INVITE SIP/2.0 200 OK", "NOTIFY SIP/2.0 200 OK")
			})
		})
	}
}

// TestX05AllAcksLost: a phone that never sees the ACK hangs up after 32 s, and
// that is answered.
func TestX05AllAcksLost(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		acks := l.lose(sip.ACK, 1<<30)
		r := l.place()
		invite := p.expect(sip.INVITE)
		ok := p.response(invite, 200, extra{body: sdpBody})
		p.send(ok)
		p.reply(p.expect(sip.REFER), 202, extra{})
		for _, d := range repeat200 {
			time.Sleep(d)
			p.send(ok)
		}
		p.drain()
		if *acks != 1+len(repeat200) {
			t.Errorf("%d ACKs left for %d 200s", *acks, 1+len(repeat200))
		}
		p.send(p.request(invite, sip.BYE, 1, extra{}))
		p.expect("200")
		p.quiet(33 * time.Second)
		l.wantEnd(r, call.Unknown)
		l.wantRows(r, "INVITE SIP/2.0 200 OK")
	})
}

// TestX06LostBye: our BYE is repeated for 32 s, then nothing is left of the call.
func TestX06LostBye(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		byes := l.lose(sip.BYE, 1<<30)
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.quiet(31 * time.Second)
		if got := r.Snapshot(); got.State != call.HandedOff || got.Outcome.Result != call.Completed {
			t.Errorf("the call is %s %+v", got.State, got.Outcome)
		}
		p.quiet(2 * time.Second)
		l.wantEnd(r, call.Completed)
		if *byes != 11 {
			t.Errorf("%d BYEs left, want 11 in 32 s", *byes)
		}
	})
}

// TestX06ByeRefused: a BYE ends the dialog whatever the answer is (RFC 3261 section
// 15.1.1).
func TestX06ByeRefused(t *testing.T) {
	for _, status := range []int{408, 481, 500} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite, _ := p.accept()
				p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK"))
				p.expect("200")
				p.reply(p.expect(sip.BYE), status, extra{})
				l.wantEnd(r, call.Completed)
				if n := l.engine.Len(); n != 0 {
					t.Errorf("%d calls live", n)
				}
			})
		})
	}
}

// TestX10AnswerAfter487: a phone that answers an INVITE that it has ended already
// is acknowledged and hung up.
func TestX10AnswerAfter487(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(func(o *call.Order) { o.RingTimeout = 5 * time.Second })
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		p.reply(p.expect(sip.CANCEL), 200, extra{})
		p.reply(invite, 487, extra{})
		p.expect(sip.ACK)
		p.reply(invite, 200, extra{body: sdpBody})
		ack, bye := p.expect(sip.ACK), p.bye()
		if bye.RequestURI != ack.RequestURI || ack.RequestURI != "sip:201@192.0.2.20:5060" {
			t.Errorf("ACK to %s, BYE to %s", ack.RequestURI, bye.RequestURI)
		}
		l.wantEnd(r, call.NoAnswer)
		l.wantRows(r, rowRinging, "INVITE SIP/2.0 487 Request Terminated")
	})
}

// TestX10AnswersAfterCancel: the 200 crosses the CANCEL and is repeated, and a
// branch of a fork answers too: each 200 is acknowledged, each dialog hung up once.
func TestX10AnswersAfterCancel(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(func(o *call.Order) { o.RingTimeout = 5 * time.Second })
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		cancel := p.expect(sip.CANCEL)
		p.reply(invite, 200, extra{body: sdpBody})
		p.reply(cancel, 200, extra{})
		p.expect(sip.ACK)
		wantReason(t, p.bye(), 487, "Request Terminated")
		l.wantEnd(r, call.Cancelled)
		p.reply(invite, 200, extra{body: sdpBody})
		p.expect(sip.ACK)
		other := extra{body: sdpBody, tag: "other", contact: "<sip:other@192.0.2.20:5060>"}
		p.reply(invite, 200, other)
		ack, bye := p.expect(sip.ACK), p.bye()
		if ack.ToTag() != "other" || bye.ToTag() != "other" || bye.RequestURI != "sip:other@192.0.2.20:5060" {
			t.Errorf("ACK for %q, BYE for %q at %s", ack.ToTag(), bye.ToTag(), bye.RequestURI)
		}
		p.reply(invite, 200, other)
		p.expect(sip.ACK)
		l.wantRows(r, rowRinging, rowAnswered)
	})
}

// TestX03HangupBeforeChallenge: a REFER that is challenged when we have hung up
// already is not sent again: the phone would dial for nobody.
func TestX03HangupBeforeChallenge(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		_, refer := p.answer()
		r.Post(call.Hangup{By: call.ByAgent})
		p.bye()
		p.reply(refer, 407, extra{fields: []string{`Proxy-Authenticate: Digest realm="example.com", nonce="n", qop="auth"`}})
		p.quiet(time.Minute)
		l.wantEnd(r, call.Cancelled)
	})
}

// TestX03ChallengedBye: the BYE itself is sent again with credentials.
func TestX03ChallengedBye(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		p.accept()
		r.Post(call.Hangup{By: call.ByAgent})
		p.reply(p.expect(sip.BYE), 407, extra{fields: []string{`Proxy-Authenticate: Digest realm="example.com", nonce="n", qop="auth"`}})
		if again := p.bye(); !again.Has(sip.ProxyAuthorization) {
			t.Error("the second BYE has no credentials")
		}
		l.wantEnd(r, call.Cancelled)
	})
}
