package conformance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// standing brings a call to an accepted REFER, and checks at its end that nothing
// that was sent meanwhile has changed it.
func standing(t *testing.T, test func(l *lab, p *phone, invite received)) {
	t.Helper()
	audited(t, func(l *lab, p *phone) { l.standing(p, test) })
}

func (l *lab) standing(p *phone, test func(l *lab, p *phone, invite received)) {
	l.Helper()
	r := l.place()
	invite, _ := p.accept()
	synctest.Wait()
	before := *r.Snapshot()
	test(l, p, invite)
	p.quiet(time.Second)
	if after := r.Snapshot(); after.State != before.State || after.Outcome != before.Outcome || len(after.Rows) != len(before.Rows) {
		l.Errorf("the call has changed: from %s %+v with %d rows to %s %+v with %d rows", before.State, before.Outcome, len(before.Rows),
			after.State, after.Outcome, len(after.Rows))
	}
	p.finish(invite, 1000)
	l.wantEnd(r, call.Completed)
}

// exposed is standing without the audit: strangers send what gets no answer.
func exposed(t *testing.T, test func(l *lab, p *phone, invite received)) {
	t.Helper()
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		l.standing(p, test)
	})
}

// replaced changes one text of a message, which must be there.
func (l *lab) replaced(text, from, to string) string {
	l.Helper()
	if !strings.Contains(text, from) {
		l.Fatalf("no %q in\n%s", from, text)
	}
	return strings.Replace(text, from, to, 1)
}

func TestU29UnknownDialog(t *testing.T) {
	standing(t, func(l *lab, p *phone, invite received) {
		seq := 100
		for _, method := range []string{sip.BYE, sip.NOTIFY, sip.INVITE} {
			for what, change := range map[string][2]string{
				"our tag":   {";tag=" + invite.FromTag(), ";tag=0123456789abcdef"},
				"its tag":   {";tag=phone", ";tag=phony"},
				"no tag":    {";tag=phone", ""},
				"longer":    {";tag=" + invite.FromTag(), ";tag=" + invite.FromTag() + "0"},
				"other ID":  {invite.Get(sip.CallID), "0" + invite.Get(sip.CallID)},
				"upper ID":  {invite.Get(sip.CallID), strings.ToUpper(invite.Get(sip.CallID)) + "X"},
				"both tags": {";tag=" + invite.FromTag(), ";tag=phone"},
			} {
				seq++
				e := extra{}
				if method == sip.NOTIFY {
					e = extra{fields: []string{"Event: refer", "Subscription-State: terminated"}, kind: "message/sipfrag", body: "SIP/2.0 200 OK\r\n"}
				}
				p.send(l.replaced(p.request(invite, method, seq, e), change[0], change[1]))
				if m := p.next(); name(m) != "481" {
					t.Errorf("%s with a wrong %s got\n%s", method, what, m.Raw())
				}
			}
		}
		p.send(l.replaced(p.request(invite, sip.BYE, seq+1, extra{}), ";tag="+invite.FromTag(), ""))
		p.expect("481")
		p.send(l.replaced(p.request(invite, sip.ACK, seq+2, extra{}), ";tag=phone", ";tag=phony"))
		p.quiet(time.Second)
	})
}

func TestU30CSeqOrder(t *testing.T) {
	standing(t, func(_ *lab, p *phone, invite received) {
		p.ask(invite, "", sip.OPTIONS, 100)
		for _, method := range []string{sip.BYE, sip.NOTIFY, sip.INVITE, sip.OPTIONS, sip.INFO} {
			for _, seq := range []int{0, 1, 99} {
				if got := p.ask(invite, "", method, seq); got != "500" {
					t.Errorf("%s with CSeq %d behind 100: %s, want 500", method, seq, got)
				}
			}
		}
		if got := p.ask(invite, "", sip.OPTIONS, 500); got != "200" { // Gaps are no fault.
			t.Errorf("CSeq 500 behind 100: %s", got)
		}
	})
}

// unhandled are the methods that are answered but do nothing, and with what.
var unhandled = map[string]string{
	sip.MESSAGE: "405", sip.PUBLISH: "405", sip.PRACK: "405", sip.REGISTER: "405",
	sip.SUBSCRIBE: "489", "FOO": "501", "invite": "501", sip.OPTIONS: "200",
}

// wantAnswer checks an answer to an unhandled method.
func wantAnswer(t *testing.T, method string, m received) {
	t.Helper()
	if want := unhandled[method]; name(m) != want {
		t.Errorf("%s: %s, want %s", method, name(m), want)
	}
	if m.ToTag() == "" {
		t.Errorf("%s: no To tag in\n%s", method, m.Raw())
	}
	if got, want := m.Get(sip.Allow), "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, UPDATE, INFO"; got != want {
		t.Errorf("%s: Allow %q, want %q", method, got, want)
	}
	if method == sip.OPTIONS && (!m.Has(sip.Supported) || !m.Contains(sip.Accept, "application/sdp") || !m.Contains(sip.Accept, "message/sipfrag")) {
		t.Errorf("OPTIONS:\n%s", m.Raw())
	}
	if method == sip.SUBSCRIBE && m.Get(sip.AllowEvents) == "" {
		t.Error("489 without Allow-Events")
	}
}

func TestU31InDialog(t *testing.T) {
	standing(t, func(_ *lab, p *phone, invite received) {
		seq := 1
		for method := range unhandled {
			seq++
			text := p.request(invite, method, seq, extra{kind: "text/plain", body: "hello"})
			p.send(text)
			first := p.expect(unhandled[method])
			wantAnswer(t, method, first)
			p.send(text) // Lost on the way: the same answer again.
			if again := p.next(); again.Raw() != first.Raw() {
				t.Errorf("another answer to a copy of %s:\n%s\n%s", method, first.Raw(), again.Raw())
			}
		}
	})
}

// TestU31EarlyDialog: the phone rings.
func TestU31EarlyDialog(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		seq := 1
		for method := range unhandled {
			seq++
			p.send(p.request(invite, method, seq, extra{}))
			wantAnswer(t, method, p.next())
		}
		if got := p.ask(invite, "", sip.BYE, seq+1); got != "481" {
			t.Errorf("BYE in an early dialog: %s", got)
		}
		if got := p.ask(invite, "", sip.INVITE, seq+2); got != "491" {
			t.Errorf("INVITE in an early dialog: %s", got)
		}
		p.reject(invite, 486, extra{})
		l.wantEnd(r, call.Busy)
	})
}

func TestU31OutOfDialog(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		for method := range unhandled {
			text := p.outside(method, extra{})
			p.send(text)
			first := p.next()
			wantAnswer(t, method, first)
			p.send(text)
			if again := p.next(); again.Raw() != first.Raw() {
				t.Errorf("another answer to a copy of %s:\n%s\n%s", method, first.Raw(), again.Raw())
			}
		}
		for method, want := range map[string]string{sip.BYE: "481", sip.NOTIFY: "481", sip.CANCEL: "481", sip.REFER: "603"} {
			p.send(p.outside(method, extra{}))
			if m := p.next(); name(m) != want {
				t.Errorf("%s outside any dialog: %s, want %s", method, name(m), want)
			}
		}
		p.send(p.outside(sip.ACK, extra{}))
		p.quiet(time.Minute)
		l.wantNoState()
	})
}

// TestU32Uninvited: nobody calls a controller.
func TestU32Uninvited(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		text := p.outside(sip.INVITE, extra{body: sdpBody})
		p.send(text)
		m := p.expect("403")
		wantAt(t, "403", m.at, 0)
		l.wantNoState()
		if len(m.Body) > 0 {
			t.Errorf("media offered:\n%s", m.Raw())
		}
		p.send(l.replaced(l.replaced(l.replaced(text, "INVITE", "ACK"), "7 INVITE", "7 ACK"), "\r\nCall-ID", ";tag="+m.ToTag()+"\r\nCall-ID"))
		p.quiet(time.Minute)
		p.send(text)
		if again := p.expect("403"); again.Raw() != m.Raw() {
			t.Errorf("another answer to a copy:\n%s", again.Raw())
		}
		p.send(l.replaced(l.replaced(text, "INVITE", "CANCEL"), "7 INVITE", "7 CANCEL"))
		p.expect("481")
	})
}

// TestU33Unsupported: what a re-INVITE may not ask of us.
func TestU33Unsupported(t *testing.T) {
	standing(t, func(_ *lab, p *phone, invite received) {
		seq := 1
		for what, c := range map[string]struct {
			e      extra
			status string
			field  sip.Header
			want   string
		}{
			"Require":          {extra{fields: []string{"Require: foo", "Require: 100rel,bar"}, body: sdpBody}, "420", sip.Unsupported, "foo, 100rel, bar"},
			"Content-Encoding": {extra{fields: []string{"Content-Encoding: gzip"}, body: sdpBody}, "415", sip.AcceptEncoding, "identity"},
			"compact form":     {extra{fields: []string{"e: gzip"}, body: sdpBody}, "415", sip.Accept, "application/sdp"},
			"Content-Type":     {extra{kind: "text/plain", body: "hello"}, "415", sip.Accept, "application/sdp"},
			"Accept":           {extra{fields: []string{"Accept: text/x-nobody"}, body: sdpBody}, "406", sip.Accept, "application/sdp"},
		} {
			seq++
			p.send(p.request(invite, sip.INVITE, seq, c.e))
			m := p.next()
			if name(m) != c.status || m.Get(c.field) != c.want {
				t.Errorf("%s: %s with %s %q, want %s with %q", what, name(m), c.field, m.Get(c.field), c.status, c.want)
			}
			p.send(p.ackFor(invite, seq, m))
		}
		for _, accept := range []string{"Accept: text/plain, APPLICATION/SDP;q=0.5", "Accept: */*", "Accept: application/*"} {
			seq++
			p.send(p.request(invite, sip.INVITE, seq, extra{fields: []string{accept}, body: sdpBody}))
			p.expect("200")
			p.send(p.request(invite, sip.ACK, seq, extra{fields: []string{"Require: foo"}})) // Not looked at in an ACK.
		}
	})
}

// TestU31LostAck: the ACK of a 200 to a re-INVITE is lost, and the next re-INVITE
// comes before the 200 was sent again. It shows that the phone has our 200, so
// nothing more is sent of that; the ACK of the first, which is late, does not stand
// for that of the second.
func TestU31LostAck(t *testing.T) {
	standing(t, func(_ *lab, p *phone, invite received) {
		for seq := 2; seq <= 3; seq++ {
			p.send(p.request(invite, sip.INVITE, seq, extra{body: sdpBody}))
			p.expect("200")
		}
		p.send(p.request(invite, sip.ACK, 2, extra{}))
		again := p.expect("200")
		wantGet(t, again, sip.CSeq, "3 INVITE")
		p.send(p.request(invite, sip.ACK, 3, extra{}))
		p.quiet(20 * time.Second)
	})
}
