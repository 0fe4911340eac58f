package conformance

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

const (
	active   = "active;expires=60"
	terminal = "terminated;reason=noresource"
)

// TestT03ReferAcceptedWith: a 200 to the REFER is as good as a 202 (RFC 7647
// section 5 leaves only the 200).
func TestT03ReferAcceptedWith(t *testing.T) {
	for _, status := range []int{200, 202} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite, refer := p.answer()
				p.reply(refer, status, extra{})
				p.send(p.notify(invite, 1, active, "SIP/2.0 180 Ringing"))
				p.expect("200")
				if got := r.Snapshot().State; got != call.CalleeRinging {
					t.Errorf("state %s", got)
				}
				p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK"))
				p.expect("200")
				p.bye()
				l.wantEnd(r, call.Completed)
				l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK")
			})
		})
	}
}

// TestT05ReferRefused: the refusal is a row, and the phone is hung up at once.
func TestT05ReferRefused(t *testing.T) {
	for _, status := range []int{403, 405, 420, 429, 480, 501, 503, 603} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				_, refer := p.answer()
				p.reply(refer, status, extra{})
				bye := p.bye()
				wantAt(t, "BYE", bye.at, refer.at)
				wantReason(t, bye, status, sip.ReasonPhrase(status))
				l.wantEnd(r, call.Failed)
				l.wantOutcome(r.Snapshot(), call.Outcome{Result: call.Failed, FailedLeg: call.Caller, SIPCode: status, EndedBy: call.ByCaller})
				l.wantRows(r, rowRinging, rowAnswered, fmt.Sprintf("NOTIFY SIP/2.0 %d %s", status, sip.ReasonPhrase(status)))
			})
		})
	}
}

// TestT06ReferUnanswered: the REFER is repeated as RFC 3261 section 17.1.2.2 says,
// for 32 s; then it counts as refused with 408.
func TestT06ReferUnanswered(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		_, refer := p.answer()
		for _, after := range []float64{0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5} {
			again := p.expect(sip.REFER)
			// Every repetition may be a tick late, and the next one counts from it.
			if d := again.at - refer.at - time.Duration(after*float64(time.Second)); d < 0 || d > 200*time.Millisecond {
				t.Errorf("REFER repeated at %v, want %vs", again.at, after)
			}
			if again.Raw() != refer.Raw() {
				t.Error("the repeated REFER is another one")
			}
		}
		bye := p.bye()
		wantAt(t, "BYE", bye.at, refer.at+32*time.Second)
		wantReason(t, bye, 408, "Request Timeout")
		l.wantEnd(r, call.TimedOut)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 408 Request Timeout")
	})
}

// TestT06ReferDialogGone: 408 and 481 say that the phone knows nothing of the
// dialog; a BYE ends it for those between (RFC 3261 section 12.2.1.2).
func TestT06ReferDialogGone(t *testing.T) {
	for status, result := range map[int]call.Result{408: call.TimedOut, 481: call.Failed} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				_, refer := p.answer()
				p.reply(refer, status, extra{})
				bye := p.expect(sip.BYE)
				p.reply(bye, 481, extra{})
				l.wantEnd(r, result)
				l.wantRows(r, rowRinging, rowAnswered, fmt.Sprintf("NOTIFY SIP/2.0 %d %s", status, sip.ReasonPhrase(status)))
			})
		})
	}
}

// TestT08AcceptedNoNotify: 32 s of silence after the 202 (timer N of RFC 6665) end
// the call with an outcome that nobody knows.
func TestT08AcceptedNoNotify(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		_, refer := p.accept()
		p.quiet(31 * time.Second)
		if got := r.Snapshot().State; got != call.CallingCallee {
			t.Errorf("state %s", got)
		}
		bye := p.bye()
		wantAt(t, "BYE", bye.at, refer.at+32*time.Second)
		wantReason(t, bye, 408, "No NOTIFY")
		l.wantEnd(r, call.Unknown)
		l.wantRows(r, rowRinging, rowAnswered)
	})
}

// TestT08NotifiesStop: reports that cease are waited for up to the limit of the
// order, no longer.
func TestT08NotifiesStop(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.accept()
		p.quiet(20 * time.Second)
		p.send(p.notify(invite, 1, active, "SIP/2.0 180 Ringing"))
		p.expect("200")
		p.quiet(159 * time.Second)
		bye := p.bye()
		wantAt(t, "BYE", bye.at, refer.at+180*time.Second)
		wantReason(t, bye, 408, "No final NOTIFY")
		l.wantEnd(r, call.TimedOut)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 180 Ringing")
	})
}

// TestT10FinalSuccess: the NOTIFY is answered before the BYE leaves, and its row is
// the last one.
func TestT10FinalSuccess(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		bye := p.bye()
		wantReason(t, bye, 0, "")
		l.wantEnd(r, call.Completed)
		l.wantOutcome(r.Snapshot(), call.Outcome{Result: call.Completed, SIPCode: 200, EndedBy: call.ByServer})
		// Nothing that comes later is told.
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 500 Connection reset by peer"))
		p.expect("481")
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 200 OK")
	})
}

// TestT10FinalSuccessAfterBYE: a phone that hung up itself gets no BYE.
func TestT10FinalSuccessAfterBYE(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.request(invite, sip.BYE, 1, extra{}))
		p.expect("200")
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		l.wantEnd(r, call.Completed)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 200 OK")
	})
}

// TestT10ByesCross: both hang up at the same moment; each BYE is answered and none
// is sent twice (RFC 5407 section 3).
func TestT10ByesCross(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		bye := p.expect(sip.BYE)
		p.send(p.request(invite, sip.BYE, 2, extra{}))
		p.expect("200")
		p.reply(bye, 481, extra{})
		l.wantEnd(r, call.Completed)
	})
}

// TestT11FinalFailure: the called party's status is the outcome, and the calling
// party's phone is told why it is hung up.
func TestT11FinalFailure(t *testing.T) {
	cases := []struct {
		frag   string
		status int
		text   string
		result call.Result
	}{
		{"SIP/2.0 486 Busy Here", 486, "Busy Here", call.Busy},
		{"SIP/2.0 404 Not Found\r\nContent-Length: 0", 404, "Not Found", call.Unreachable},
		{"SIP/2.0 603 Abgelehnt \"heute\"\n", 603, `Abgelehnt "heute"`, call.Declined},
		{"SIP/2.0 408", 408, "Request Timeout", call.NoAnswer},
	}
	for _, c := range cases {
		t.Run(strconv.Itoa(c.status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite, _ := p.accept()
				p.send(p.notify(invite, 1, terminal, c.frag))
				p.expect("200")
				wantReason(t, p.bye(), c.status, c.text)
				l.wantEnd(r, c.result)
				l.wantOutcome(r.Snapshot(), call.Outcome{Result: c.result, FailedLeg: call.Callee, SIPCode: c.status, EndedBy: call.ByCallee})
				if n := len(r.Snapshot().Rows); n != 3 {
					t.Errorf("%d rows", n)
				}
			})
		})
	}
}

// TestT12FinalWhileActive: linphone never ends the subscription of a call that
// failed, and takes its first call off hold while we hang up.
func TestT12FinalWhileActive(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, "active", "SIP/2.0 100 Trying\r\n"))
		p.expect("200")
		p.send(p.notify(invite, 2, "active", "SIP/2.0 486 Busy Here\r\n"))
		p.expect("200")
		bye := p.expect(sip.BYE)
		wantReason(t, bye, 486, "Busy Here")
		resume := p.request(invite, sip.INVITE, 3, extra{body: sdpBody})
		p.send(resume)
		p.send(p.ackFor(invite, 3, p.expect("481")))
		p.reply(bye, 200, extra{})
		l.wantEnd(r, call.Busy)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 486 Busy Here")
		if n := l.engine.Len(); n != 0 {
			t.Errorf("%d calls live", n)
		}
	})
}

// TestT13TerminatedNoResource: baresip always gives this reason, so the sipfrag
// alone tells how it went; without one nobody knows.
func TestT13TerminatedNoResource(t *testing.T) {
	cases := []struct {
		name, frag string
		want       call.Outcome
		rows       []string
	}{
		{"200", "SIP/2.0 200 OK\n", call.Outcome{Result: call.Completed, SIPCode: 200, EndedBy: call.ByServer}, []string{"NOTIFY SIP/2.0 200 OK"}},
		{"486", "SIP/2.0 486 Busy Here\n", call.Outcome{Result: call.Busy, FailedLeg: call.Callee, SIPCode: 486, EndedBy: call.ByCallee}, []string{"NOTIFY SIP/2.0 486 Busy Here"}},
		{"100", "SIP/2.0 100 Trying\n", call.Outcome{Result: call.Unknown, FailedLeg: call.Callee, EndedBy: call.ByCaller}, []string{"NOTIFY SIP/2.0 100 Trying"}},
		{"no body", "", call.Outcome{Result: call.Unknown, FailedLeg: call.Callee, EndedBy: call.ByCaller}, nil},
		{"no status line", "To: <sip:202@example.com>", call.Outcome{Result: call.Unknown, FailedLeg: call.Callee, EndedBy: call.ByCaller}, []string{"NOTIFY To: <sip:202@example.com>"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite, _ := p.accept()
				p.send(p.notify(invite, 1, terminal, c.frag))
				p.expect("200")
				p.bye()
				l.wantEnd(r, c.want.Result)
				l.wantOutcome(r.Snapshot(), c.want)
				l.wantRows(r, append([]string{rowRinging, rowAnswered}, c.rows...)...)
			})
		})
	}
}

// TestT19NoByeAtRinging: whatever is not final keeps the caller's leg up.
func TestT19NoByeAtRinging(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		for i, frag := range []string{"SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 183 Session Progress", "SIP/2.0 180 Ringing", "SIP/2.0 199 Early Dialog Terminated"} {
			p.send(p.notify(invite, i+1, active, frag))
			p.expect("200")
			p.quiet(30 * time.Second)
		}
		if got := r.Snapshot().State; got != call.CalleeRinging {
			t.Errorf("state %s", got)
		}
		p.send(p.notify(invite, 6, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}
