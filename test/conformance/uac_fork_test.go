package conformance

import (
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// contactAt is the Contact of a phone at another address.
func contactAt(p *phone) string { return "<sip:201@" + p.addr.String() + ">" }

// TestU22SecondOK: the proxy forked, and two phones were picked up. The second one,
// which repeats its 200, is acknowledged each time and hung up once.
func TestU22SecondOK(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		other := l.phoneAt(otherAddr)
		defer other.close()
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 200, extra{tag: "a", body: sdpBody})
		if ack := p.expect(sip.ACK); ack.ToTag() != "a" {
			t.Errorf("ACK to %q", ack.Get(sip.To))
		}
		p.expect(sip.REFER)
		second := p.response(invite, 200, extra{tag: "b", contact: contactAt(other), body: sdpBody})
		p.send(second)
		ack := other.expect(sip.ACK)
		wantGet(t, ack, sip.To, "<sip:201@example.com>;tag=b")
		wantGet(t, ack, sip.CSeq, "1 ACK")
		bye := other.expect(sip.BYE)
		wantGet(t, bye, sip.To, "<sip:201@example.com>;tag=b")
		wantGet(t, bye, sip.CSeq, "2 BYE")
		if via(t, ack).Branch() == via(t, invite).Branch() || ack.RequestURI != "sip:201@"+otherAddr.String() {
			t.Errorf("ACK:\n%s", ack.Raw())
		}
		other.reply(bye, 200, extra{})
		time.Sleep(500 * time.Millisecond)
		p.send(second)
		other.expect(sip.ACK)
		other.quiet(time.Second)
		refers, more := split(p.drain(), sip.REFER) // It was not answered yet.
		wantNone(t, more)
		p.reply(refers[0], 202, extra{})
		p.send(p.notify(invite, 1, "terminated", "SIP/2.0 200 OK", "Event: refer", "X: y"))
		if m := p.next(); name(m) != "481" { // The phone of tag "phone" has no dialog.
			t.Errorf("got %s", m.Raw())
		}
		p.send(p.request(invite, sip.NOTIFY, 1, extra{
			tag: "a", kind: "message/sipfrag", body: "SIP/2.0 200 OK\r\n",
			fields: []string{"Event: refer", "Subscription-State: terminated"},
		}))
		p.expect("200")
		if last := p.bye(); last.ToTag() != "a" {
			t.Errorf("BYE to %q", last.Get(sip.To))
		}
		l.wantEnd(r, call.Completed)
		l.wantRows(r, rowAnswered, "NOTIFY SIP/2.0 200 OK")
	})
}

// TestU22SecondOKAfterCancel: both phones were picked up while our CANCEL was on
// its way; both are hung up.
func TestU22SecondOKAfterCancel(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(ringFor(time.Second))
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{tag: "a"})
		p.reply(p.expect(sip.CANCEL), 200, extra{contact: "-"})
		for _, tag := range []string{"a", "b"} {
			p.reply(invite, 200, extra{tag: tag, body: sdpBody})
			p.expect(sip.ACK)
			if bye := p.bye(); bye.ToTag() != tag {
				t.Errorf("BYE to %q", bye.Get(sip.To))
			}
		}
		l.wantEnd(r, call.Cancelled)
	})
}

// TestU22OKAfterFailure: a 200 that a proxy could not stop behind its 486.
func TestU22OKAfterFailure(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reject(invite, 486, extra{tag: "a"})
		p.reply(invite, 200, extra{tag: "b", body: sdpBody})
		p.expect(sip.ACK)
		p.bye()
		l.wantEnd(r, call.Busy)
		l.wantRows(r, "INVITE SIP/2.0 486 Busy Here")
	})
}

// TestU23Fork: early dialogs are kept apart, each with its own order of CSeq
// numbers; 199 ends one, and the 200 of another makes it the dialog, with the CSeq
// numbers that were heard in it.
func TestU23Fork(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{tag: "a"})
		p.reply(invite, 183, extra{tag: "b"})
		for _, c := range []struct {
			tag  string
			seq  int
			want string
		}{{"a", 10, "200"}, {"b", 5, "200"}, {"a", 9, "500"}, {"b", 6, "200"}, {"c", 1, "481"}} {
			if got := p.ask(invite, c.tag, sip.OPTIONS, c.seq); got != c.want {
				t.Errorf("OPTIONS %d of %s: %s, want %s", c.seq, c.tag, got, c.want)
			}
		}
		p.reply(invite, 199, extra{tag: "a"})
		if got := p.ask(invite, "a", sip.OPTIONS, 11); got != "481" {
			t.Errorf("OPTIONS behind the 199: %s", got)
		}
		p.reply(invite, 200, extra{tag: "b", body: sdpBody})
		if ack := p.expect(sip.ACK); ack.ToTag() != "b" {
			t.Errorf("ACK to %q", ack.Get(sip.To))
		}
		refer := p.expect(sip.REFER)
		if refer.ToTag() != "b" {
			t.Errorf("REFER to %q", refer.Get(sip.To))
		}
		for _, c := range []struct {
			tag  string
			seq  int
			want string
		}{{"a", 12, "481"}, {"b", 5, "500"}, {"b", 7, "200"}} {
			if got := p.ask(invite, c.tag, sip.OPTIONS, c.seq); got != c.want {
				t.Errorf("behind the 200, OPTIONS %d of %s: %s, want %s", c.seq, c.tag, got, c.want)
			}
		}
		p.reply(refer, 603, extra{})
		p.bye()
		l.wantEnd(r, call.Failed)
		l.wantRows(r, rowRinging, "INVITE SIP/2.0 183 Session Progress", "INVITE SIP/2.0 199 Early Dialog Terminated",
			rowAnswered, "NOTIFY SIP/2.0 603 Decline")
	})
}

// TestU24StrictRouter: the first route has no lr parameter.
func TestU24StrictRouter(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 200, extra{
			contact: "<sip:201@198.51.100.9:6060>", body: sdpBody,
			fields: []string{"Record-Route: <sip:" + otherAddr.String() + ";lr>, <sip:" + phoneAddr.String() + ";x=y?h=v>"},
		})
		ack, refer := p.expect(sip.ACK), p.expect(sip.REFER)
		for _, m := range []received{ack, refer} {
			if want := "sip:" + phoneAddr.String() + ";x=y"; m.RequestURI != want {
				t.Errorf("%s to %q, want %q", m.Method, m.RequestURI, want)
			}
			wantGet(t, m, sip.Route, "<sip:"+otherAddr.String()+";lr>")
			if got := values(m, sip.Route); len(got) != 2 || got[1] != "<sip:201@198.51.100.9:6060>" {
				t.Errorf("Route %q", got)
			}
		}
		p.reply(refer, 202, extra{})
		p.finish(invite, 1)
		l.wantEnd(r, call.Completed)
	})
}

// TestU24EmptyRouteSet: the proxy has not recorded itself.
func TestU24EmptyRouteSet(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		other := l.phoneAt(otherAddr)
		defer other.close()
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 200, extra{contact: contactAt(other), body: sdpBody})
		ack, refer := other.expect(sip.ACK), other.expect(sip.REFER)
		for _, m := range []received{ack, refer} {
			if m.Has(sip.Route) || m.RequestURI != "sip:201@"+otherAddr.String() {
				t.Errorf("%s", m.Raw())
			}
		}
		other.reply(refer, 202, extra{})
		other.send(p.notify(invite, 1, "terminated", "SIP/2.0 200 OK"))
		other.expect("200")
		other.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestU24NoContact: a 200 from which no dialog can be made is acknowledged and
// ended, and the call with it.
func TestU24NoContact(t *testing.T) {
	for name, contact := range map[string]string{"none": "-", "tel": "<tel:201>", "unreadable": "<sip:201@", "two": "<sip:a@@b>, <sip:201@192.0.2.20>"} {
		t.Run(name, func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite := p.expect(sip.INVITE)
				p.reply(invite, 200, extra{contact: contact, body: sdpBody})
				for _, m := range []received{p.expect(sip.ACK), p.bye()} {
					if m.RequestURI != invite.RequestURI || m.ToTag() != "phone" {
						t.Errorf("%s", m.Raw())
					}
				}
				p.quiet(time.Minute)
				if c := r.Snapshot(); c.State != call.Ended || c.Outcome.Result == call.Completed {
					t.Errorf("%s %+v", c.State, c.Outcome)
				}
			})
		})
	}
}

// TestU24NoToTag: a 200 without a To tag makes a dialog whose remote tag is null
// (RFC 3261 section 12.1.2).
func TestU24NoToTag(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.send(untagged(p.response(invite, 200, extra{body: sdpBody})))
		wantGet(t, p.expect(sip.ACK), sip.To, "<sip:201@example.com>")
		refer := p.expect(sip.REFER)
		wantGet(t, refer, sip.To, "<sip:201@example.com>")
		p.send(untagged(p.response(refer, 202, extra{})))
		p.send(untagged(p.notify(invite, 1, "terminated", "SIP/2.0 200 OK")))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestU22OKToChallengedInvite: a fork where one phone's challenge was passed on
// before another phone was picked up. The 200 belongs to an INVITE that we gave up
// for a new one: its phone is hung up and the new INVITE goes on.
func TestU22OKToChallengedInvite(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		first := p.expect(sip.INVITE)
		p.reject(first, 407, challenge(407, "example.com", newNonce()))
		second := p.expect(sip.INVITE)
		p.reply(first, 200, extra{tag: "late", body: sdpBody})
		wantGet(t, p.expect(sip.ACK), sip.CSeq, "1 ACK")
		if bye := p.bye(); bye.ToTag() != "late" {
			t.Errorf("BYE to %q", bye.Get(sip.To))
		}
		p.reply(second, 200, extra{body: sdpBody})
		wantGet(t, p.expect(sip.ACK), sip.CSeq, "2 ACK")
		p.reply(p.expect(sip.REFER), 202, extra{})
		p.finish(second, 1)
		l.wantEnd(r, call.Completed)
	})
}

// TestU24NoWay: the Contact of a 200 leads nowhere. It is acknowledged and ended by
// the way that the INVITE took, whether it is the first or that of a fork.
func TestU24NoWay(t *testing.T) {
	const nowhere = "<sip:201@198.51.100.9;transport=carrier-pigeon>"
	t.Run("first", func(t *testing.T) {
		audited(t, func(l *lab, p *phone) {
			r := l.place()
			p.reply(p.expect(sip.INVITE), 200, extra{contact: nowhere, body: sdpBody})
			for _, m := range []received{p.expect(sip.ACK), p.bye()} {
				if m.RequestURI != nowhere[1:len(nowhere)-1] {
					t.Errorf("%s to %s", m.Method, m.RequestURI)
				}
			}
			p.quiet(time.Minute)
			l.wantEnd(r, call.Unreachable)
		})
	})
	t.Run("fork", func(t *testing.T) {
		audited(t, func(l *lab, p *phone) {
			other := l.phoneAt(otherAddr)
			defer other.close()
			l.place()
			invite := p.expect(sip.INVITE)
			p.reply(invite, 200, extra{contact: contactAt(other), body: sdpBody})
			other.expect(sip.ACK)
			other.reply(other.expect(sip.REFER), 603, extra{})
			other.bye()
			p.reply(invite, 200, extra{tag: "fork", contact: nowhere, body: sdpBody})
			for _, m := range []received{p.expect(sip.ACK), p.bye()} {
				if m.ToTag() != "fork" {
					t.Errorf("%s to %s", m.Method, m.Get(sip.To))
				}
			}
		})
	})
}
