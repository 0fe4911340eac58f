package conformance

import (
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestU37GoneDialog: the phone says that it knows nothing of the dialog, or nothing
// at all. The dialog is over, which a BYE makes known (RFC 3261 section 12.2.1.2).
func TestU37GoneDialog(t *testing.T) {
	for status, want := range map[int]call.Result{408: call.TimedOut, 481: call.Failed} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				_, refer := p.answer()
				p.reply(refer, status, extra{})
				bye := p.expect(sip.BYE)
				wantReason(t, bye, status, sip.ReasonPhrase(status))
				p.reply(bye, status, extra{}) // Gone is gone: nothing follows.
				p.quiet(time.Minute)
				l.wantEnd(r, want)
				l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 "+strconv.Itoa(status)+" "+sip.ReasonPhrase(status))
			})
		})
	}
}

// TestU38Reason: what the Reason field says of each end that has one (RFC 3326).
func TestU38Reason(t *testing.T) {
	type end struct {
		play   func(l *lab, p *phone) received // gives the BYE or CANCEL
		status int
		text   string
	}
	for name, c := range map[string]end{
		"caller times out": {func(_ *lab, p *phone) received {
			p.reply(p.expect(sip.INVITE), 180, extra{})
			return p.expect(sip.CANCEL)
		}, 408, "Request Timeout"},
		"agent gives up": {func(l *lab, p *phone) received {
			p.reply(p.expect(sip.INVITE), 180, extra{})
			time.Sleep(time.Second)
			l.engine.HangupAll(call.ByAgent)
			return p.expect(sip.CANCEL)
		}, 487, "Request Terminated"},
		"callee busy": {func(_ *lab, p *phone) received {
			invite, _ := p.accept()
			p.send(p.notify(invite, 1, "terminated;reason=noresource", "SIP/2.0 486 Busy Here"))
			p.expect("200")
			return p.expect(sip.BYE)
		}, 486, "Busy Here"},
		"callee declines in its own words": {func(_ *lab, p *phone) received {
			invite, _ := p.accept()
			p.send(p.notify(invite, 1, "terminated", `SIP/2.0 603 He said "no\never"`))
			p.expect("200")
			return p.expect(sip.BYE)
		}, 603, `He said "no\never"`},
		"REFER refused": {func(_ *lab, p *phone) received {
			_, refer := p.answer()
			p.reply(refer, 405, extra{})
			return p.expect(sip.BYE)
		}, 405, "Method Not Allowed"},
		"hung up by the agent": {func(l *lab, p *phone) received {
			p.accept()
			l.engine.HangupAll(call.ByAgent)
			return p.expect(sip.BYE)
		}, 487, "Request Terminated"},
		"good end": {func(_ *lab, p *phone) received {
			invite, _ := p.accept()
			p.send(p.notify(invite, 1, "terminated", "SIP/2.0 200 OK"))
			p.expect("200")
			return p.expect(sip.BYE)
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				l.place(ringFor(10 * time.Second))
				m := c.play(l, p)
				wantReason(t, m, c.status, c.text)
				p.reply(m, 200, extra{contact: "-"})
			})
		})
	}
}
