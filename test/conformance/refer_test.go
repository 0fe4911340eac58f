package conformance

import (
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestT01WholeCall is the plain case, message by message.
func TestT01WholeCall(t *testing.T) {
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		p.reply(invite, 200, extra{body: sdpBody})
		ack := p.expect(sip.ACK)
		refer := p.expect(sip.REFER)
		if got, want := refer.Get(sip.CSeq), "2 REFER"; got != want {
			t.Errorf("CSeq %q, want %q", got, want)
		}
		if got, want := refer.Get(sip.ReferTo), "<sip:202@example.com>"; got != want {
			t.Errorf("Refer-To %q, want %q", got, want)
		}
		if ack.RequestURI != "sip:201@192.0.2.20:5060" || refer.RequestURI != ack.RequestURI {
			t.Errorf("ACK to %s, REFER to %s, want the Contact", ack.RequestURI, refer.RequestURI)
		}
		if _, ok := refer.Contact(); !ok {
			t.Error("REFER without Contact")
		}
		p.reply(refer, 202, extra{})
		for i, frag := range []string{"SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"} {
			p.send(p.notify(invite, i+1, "active;expires=60", frag))
			p.expect("200")
		}
		p.quiet(5 * time.Second)
		p.send(p.notify(invite, 3, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"))
		p.expect("200")
		p.bye()
		p.quiet(time.Minute)
		l.wantEnd(r, call.Completed)
		l.wantRows(r, "INVITE SIP/2.0 180 Ringing", "INVITE SIP/2.0 200 OK",
			"NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK")
	})
}
