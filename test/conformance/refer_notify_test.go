package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestT07NotifyBeforeAccepted: a NOTIFY may be faster than the 2xx to the REFER
// (RFC 6665 section 4.1.2.4).
func TestT07NotifyBeforeAccepted(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.answer()
		p.send(p.notify(invite, 1, active, "SIP/2.0 100 Trying"))
		p.expect("200")
		p.reply(refer, 202, extra{})
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 200 OK")
	})
}

// TestT07FinalNotifyBeforeAccepted: even the last report may be faster.
func TestT07FinalNotifyBeforeAccepted(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.answer()
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 486 Busy Here"))
		p.expect("200")
		bye := p.expect(sip.BYE)
		p.reply(refer, 202, extra{})
		p.reply(bye, 200, extra{})
		l.wantEnd(r, call.Busy)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 486 Busy Here")
	})
}

// TestT09RowText: a row is the whole body, and no byte of it is changed but the
// white space at its ends.
func TestT09RowText(t *testing.T) {
	long := "SIP/2.0 183 Session Progress\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>;tag=1\r\n" +
		"Call-ID: 1\r\nCSeq: 1 INVITE\r\nWarning: 399 a \"b\""
	frags := []string{"SIP/2.0 180 Ringing", long, "SIP/2.0 180 <a&b>", "SIP/2.0 180 ]]></status-line>\t\"x\" ü"}
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		want := []string{rowRinging, rowAnswered}
		for i, frag := range frags {
			p.send(p.notify(invite, i+1, active, "\r\n"+frag+"\r\n\r\n"))
			p.expect("200")
			want = append(want, "NOTIFY "+frag)
		}
		l.wantRows(r, want...)
		for _, row := range r.Snapshot().Rows {
			if row.SIPCallID != invite.Get(sip.CallID) {
				t.Errorf("row %q has the Call-ID %q", row.Line, row.SIPCallID)
			}
		}
		p.send(p.notify(invite, 9, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestT09NoInjection: text of a sipfrag that leaves in a Reason is one quoted
// string, however it was meant.
func TestT09NoInjection(t *testing.T) {
	phrase := `Busy";cause=200;text="<a&b>\, SIP;cause=1`
	audited(t, func(l *lab, p *phone) {
		l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 486 "+phrase+"\rRoute: <sip:evil>\r\nX-Evil: 1"))
		p.expect("200")
		bye := p.bye()
		wantReason(t, bye, 486, phrase+" Route: <sip:evil>")
		if bye.Has(sip.Route) || bye.GetOther("X-Evil") != "" {
			t.Errorf("the sipfrag wrote a field:\n%s", bye.Raw())
		}
	})
}

// TestT09LongText: a report of any size is answered, and neither its row nor the
// BYE behind it grows without bound.
func TestT09LongText(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 486 "+strings.Repeat("é", 25_000)))
		p.expect("200")
		bye := p.bye()
		if n := len(bye.Raw()); n > 1300 {
			t.Errorf("the BYE has %d bytes", n)
		}
		l.wantEnd(r, call.Busy)
		last := r.Snapshot().Rows[2].Line
		if len(last) > call.MaxRowText || len(last) < call.MaxRowText-4 || !strings.HasPrefix(last, "SIP/2.0 486 éé") || strings.ContainsRune(last, '�') {
			t.Errorf("row of %d bytes: %.40q", len(last), last)
		}
	})
}

// TestT14RepeatedNotify: the same NOTIFY again, by the same transaction or by
// another, changes nothing; one with a lower CSeq is refused.
func TestT14RepeatedNotify(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		fields := extra{
			fields: []string{"Event: refer", "Subscription-State: " + active},
			body:   "SIP/2.0 180 Ringing", kind: "message/sipfrag",
		}
		first := p.requestBranch(invite, sip.NOTIFY, 5, "z9hG4bKsame", fields)
		p.send(first)
		answer := p.expect("200")
		p.send(first)
		if again := p.expect("200"); again.Raw() != answer.Raw() {
			t.Errorf("the repeated NOTIFY got another answer:\n%s\nfirst:\n%s", again.Raw(), answer.Raw())
		}
		p.send(p.request(invite, sip.NOTIFY, 5, fields))
		p.expect("200")
		p.send(p.notify(invite, 4, active, "SIP/2.0 183 Session Progress"))
		p.expect("500")
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 180 Ringing")
		p.send(p.notify(invite, 6, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 200 OK")
	})
}

// TestT15EventChecks: only a NOTIFY of this subscription, complete, counts.
func TestT15EventChecks(t *testing.T) {
	const frag = "SIP/2.0 200 OK"
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.accept()
		seq, err := refer.CSeq()
		if err != nil {
			t.Fatal(err)
		}
		own := fmt.Sprintf("Event: refer;id=%d", seq.Seq)
		p.send(p.notify(invite, 1, terminal, frag, fmt.Sprintf("Event: refer;id=%d", seq.Seq+1)))
		p.expect("481")
		p.send(p.notify(invite, 2, terminal, frag, "Event: dialog"))
		if got := p.expect("489"); got.Get(sip.AllowEvents) != "refer" {
			t.Errorf("489 with Allow-Events %q, want refer (RFC 6665 section 8.2.2)", got.Get(sip.AllowEvents))
		}
		p.send(p.notify(invite, 3, terminal, frag, "X-No-Event: 1"))
		p.expect("400")
		p.send(p.notify(invite, 4, "", frag, own))
		p.expect("400")
		l.wantRows(r, rowRinging, rowAnswered)
		if got := r.Snapshot().State; got != call.CallingCallee {
			t.Errorf("state %s", got)
		}
		p.send(p.notify(invite, 5, active, "SIP/2.0 100 Trying", own))
		p.expect("200")
		p.send(p.notify(invite, 6, terminal, frag, "o: REFER ; x=1; ID="+strconv.FormatUint(uint64(seq.Seq), 10)))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 200 OK")
	})
}

// TestT15EventIDAfterChallenge: the id is the CSeq of the REFER that passed, which
// after a 407 is the second one.
func TestT15EventIDAfterChallenge(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.answer()
		p.reply(refer, 407, extra{fields: []string{`Proxy-Authenticate: Digest realm="example.com", nonce="n", qop="auth"`}})
		again := p.expect(sip.REFER)
		seq, err := again.CSeq()
		if err != nil || seq.Seq != 3 {
			t.Fatalf("CSeq %v, %v", seq, err)
		}
		p.reply(again, 202, extra{})
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK", "Event: refer;id=2"))
		p.expect("481")
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK", "Event: refer;id=3"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestT15NotifyBeforeRefer: before the REFER there is no subscription.
func TestT15NotifyBeforeRefer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		p.send(p.notify(invite, 1, terminal, "SIP/2.0 200 OK"))
		p.expect("481")
		p.reply(invite, 486, extra{})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Busy)
	})
}
