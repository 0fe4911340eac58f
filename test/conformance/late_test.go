package conformance

import (
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestX11LateAnswer: a 2xx that comes when its INVITE has been given up, up to 64*T1
// later: ACK and BYE, again and again the same ACK; behind that nothing.
func TestX11LateAnswer(t *testing.T) {
	for after, answered := range map[time.Duration]bool{40 * time.Second: true, 60 * time.Second: true, 70 * time.Second: false} {
		t.Run(after.String(), func(t *testing.T) {
			run(t, options{}, func(l *lab) {
				p := l.phone()
				defer p.close()
				r := l.place()
				invite := p.expect(sip.INVITE)
				p.drainFor(after)
				l.wantEnd(r, call.TimedOut)
				p.reply(invite, 200, extra{body: sdpBody})
				if !answered {
					p.quiet(time.Minute)
					return
				}
				if ack := p.expect(sip.ACK); ack.ToTag() != "phone" || ack.Get(sip.CSeq) != "1 ACK" {
					t.Errorf("ACK:\n%s", ack.Raw())
				}
				p.bye()
				p.reply(invite, 200, extra{body: sdpBody})
				p.expect(sip.ACK)
				p.quiet(time.Minute)
			})
		})
	}
}

// TestX11LateAnswerOfCallee: the same on the called party's leg of INVITE mode.
func TestX11LateAnswerOfCallee(t *testing.T) {
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place(stay)
		_, b := p.answerCaller()
		for _, m := range p.drainFor(50 * time.Second) {
			if m.Method == sip.BYE {
				p.reply(m, 200, extra{tag: "a"})
			}
		}
		l.wantEnd(r, call.TimedOut)
		p.reply(b, 200, extra{tag: "b", body: offerB})
		p.expect(sip.ACK)
		p.bye()
	})
}

// TestX09NobodyListens: a hop that refuses the connection: row 503 at once.
func TestX09NobodyListens(t *testing.T) {
	run(t, options{proxy: "sip:192.0.2.20:5060;transport=tcp", tcp: true}, func(l *lab) {
		p := l.phone() // Its host is there, and listens on UDP only.
		defer p.close()
		r := l.place()
		time.Sleep(time.Second)
		l.wantEnd(r, call.Unreachable)
		l.wantRows(r, "INVITE SIP/2.0 503 Service Unavailable")
	})
}
