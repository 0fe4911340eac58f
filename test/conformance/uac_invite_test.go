package conformance

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
)

// otherAddr is a host besides the server and the phone: a further proxy, or where
// the phone really is.
var otherAddr = netip.MustParseAddrPort("192.0.2.30:5070")

// TestU01Invite looks at the INVITEs of three calls.
func TestU01Invite(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		seen := map[string]bool{}
		for range 3 {
			l.place()
			invite := p.expect(sip.INVITE)
			checkInvite(t, invite)
			for _, id := range []string{via(t, invite).Branch(), invite.FromTag(), invite.Get(sip.CallID)} {
				if seen[id] {
					t.Errorf("%q was used before", id)
				}
				seen[id] = true
			}
			p.reachable(invite)
			p.reject(invite, 486, extra{})
		}
	})
}

func checkInvite(t *testing.T, m received) {
	t.Helper()
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	v := via(t, m)
	if b := v.Branch(); len(b) < len(sip.MagicCookie)+8 || !strings.HasPrefix(b, sip.MagicCookie) {
		t.Errorf("branch %q", b)
	}
	if port, ok := v.Params.Get("rport"); !ok || port != "" {
		t.Errorf("Via %q does not ask for rport", v)
	}
	for what, id := range map[string]string{"From tag": m.FromTag(), "Call-ID": m.Get(sip.CallID)} {
		bits, err := hex.DecodeString(id)
		if err != nil || what == "From tag" && len(bits) < 4 || what == "Call-ID" && len(bits) < 8 {
			t.Errorf("%s %q is not so many random bits and nothing else", what, id)
		}
	}
	if tag := m.ToTag(); tag != "" {
		t.Errorf("To tag %q", tag)
	}
	for h, want := range map[sip.Header]string{
		sip.MaxForwards: "70", sip.CSeq: "1 INVITE", sip.To: "<sip:201@example.com>", sip.Supported: "100rel",
		sip.Allow: strings.Join(signalling.Methods, ", "), sip.ContentType: "application/sdp",
		sip.ContentLength: strconv.Itoa(len(m.Body)),
	} {
		if !m.Has(h) || m.Get(h) != want {
			t.Errorf("%s: %q, want %q", h, m.Get(h), want)
		}
	}
	if _, body, _ := strings.Cut(m.Raw(), "\r\n\r\n"); body != string(m.Body) || len(body) == 0 {
		t.Errorf("Content-Length %s, body %q", m.Get(sip.ContentLength), body)
	}
}

// reachable asks the Contact of a request for an answer.
func (p *phone) reachable(m received) {
	p.Helper()
	c, ok := m.Contact()
	if !ok {
		p.Fatalf("no Contact:\n%s", m.Raw())
	}
	to, err := netip.ParseAddrPort(c.URI.Host + ":" + strconv.Itoa(c.URI.Port))
	if err != nil {
		p.Fatal(err)
	}
	p.sendTo(to, p.outside(sip.OPTIONS, extra{}))
	p.expect("200")
}

// outside makes a request of the phone outside any dialog.
func (p *phone) outside(method string, e extra) string {
	p.branches++
	var b strings.Builder
	fmt.Fprintf(&b, "%s sip:callcontroller@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKoutside%d;rport\r\nMax-Forwards: 70\r\n",
		method, p.server, p.addr, p.branches)
	fmt.Fprintf(&b, "From: <sip:stranger@example.com>;tag=s\r\nTo: <sip:callcontroller@%s>\r\nCall-ID: outside-%d\r\nCSeq: 7 %s\r\n",
		p.server, p.branches, method)
	p.rest(&b, e)
	return b.String()
}

// TestU02Rport: the phone is behind a NAT. Its answers come from another port, what
// we send inside the dialog follows its Contact, and our answers go to where its
// requests came from, with received and rport.
func TestU02Rport(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		contact := l.phoneAt(otherAddr)
		defer contact.close()
		nat := l.phoneAt(netip.MustParseAddrPort("198.51.100.7:33333"))
		defer nat.close()
		r := l.place()
		invite := p.expect(sip.INVITE)
		nat.sendTo(serverAddr, p.response(invite, 180, extra{}))
		nat.sendTo(serverAddr, p.response(invite, 200, extra{contact: "<sip:201@" + otherAddr.String() + ">", body: sdpBody}))
		contact.expect(sip.ACK)
		contact.reply(contact.expect(sip.REFER), 202, extra{})
		nat.sendTo(serverAddr, p.notify(invite, 1, "terminated", "SIP/2.0 200 OK"))
		v := via(t, nat.expect("200"))
		if got := v.Params; !strings.Contains(string(got), ";received=198.51.100.7") || !strings.Contains(string(got), ";rport=33333") {
			t.Errorf("Via %q without received and rport", v)
		}
		if v.Host != phoneAddr.Addr().String() || v.Port != int(phoneAddr.Port()) {
			t.Errorf("Via %q, sent-by is changed", v)
		}
		contact.bye()
		p.quiet(time.Minute)
		nat.quiet(0)
		l.wantEnd(r, call.Completed)
	})
}

// TestU05AckRoute: two proxies on the way have recorded themselves, the Contact is
// somewhere else.
func TestU05AckRoute(t *testing.T) {
	first, second := "<sip:"+phoneAddr.String()+";lr;ftag=a%3bb>;x=1", `"p, 2" <sip:`+otherAddr.String()+";lr=on>"
	for name, routes := range map[string][]string{
		"two fields": {"Record-Route: " + second, "Record-Route: " + first},
		"one field":  {"Record-Route: " + second + " , " + first},
	} {
		t.Run(name, func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				r := l.place()
				invite := p.expect(sip.INVITE)
				p.reply(invite, 200, extra{contact: "<sip:201@198.51.100.9:6060;ob?Route=%3Csip:evil%3E>;expires=60", fields: routes, body: sdpBody})
				ack, refer := p.expect(sip.ACK), p.expect(sip.REFER)
				if via(t, ack).Branch() == via(t, invite).Branch() {
					t.Error("the ACK has the branch of the INVITE")
				}
				wantGet(t, ack, sip.CSeq, "1 ACK")
				wantGet(t, refer, sip.CSeq, "2 REFER")
				for _, m := range []received{ack, refer} {
					if m.RequestURI != "sip:201@198.51.100.9:6060;ob" {
						t.Errorf("%s to %q, want the Contact", m.Method, m.RequestURI)
					}
					if got, want := strings.Join(values(m, sip.Route), "\n"), first+"\n"+second; got != want {
						t.Errorf("Route\n%s\nwant\n%s", got, want)
					}
					wantFields(t, m, invite, sip.From, sip.CallID)
					wantGet(t, m, sip.To, "<sip:201@example.com>;tag=phone")
				}
				p.reply(refer, 202, extra{})
				p.finish(invite, 1)
				l.wantEnd(r, call.Completed)
			})
		})
	}
}

// TestU21UnknownStatus: what is not known counts as the first of its class.
func TestU21UnknownStatus(t *testing.T) {
	for _, status := range []int{399, 423, 482, 483, 499, 599, 606, 699} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				r := l.place()
				row := fmt.Sprintf("INVITE SIP/2.0 %d Something", status)
				want := []string{row}
				p.reject(p.expect(sip.INVITE), status, extra{reason: "Something"})
				if status == 606 { // One more try without SDP, row F02.
					p.reject(p.expect(sip.INVITE), status, extra{reason: "Something"})
					want = append(want, row)
				}
				p.quiet(time.Minute)
				l.wantEnd(r, call.Failed)
				l.wantRows(r, want...)
			})
		})
	}
}

// TestU21UnknownProgress: a provisional status that nobody knows is like a 183, and
// no number of them ends the call.
func TestU21UnknownProgress(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		for i := range 20 {
			p.reply(invite, 170+i, extra{reason: "Thinking"})
		}
		p.reject(invite, 486, extra{})
		l.wantEnd(r, call.Busy)
		if n := len(rows(r)); n != 21 {
			t.Errorf("%d rows, want 21", n)
		}
	})
}

// TestU28IPv6 is a whole call over IPv6.
func TestU28IPv6(t *testing.T) {
	server, phone := netip.MustParseAddrPort("[2001:db8::10]:5060"), netip.MustParseAddrPort("[2001:db8::20]:5062")
	run(t, options{server: server, noProxy: true}, func(l *lab) {
		p := l.phoneAt(phone)
		defer p.close()
		r := l.place(func(o *call.Order) { o.Caller.URI = "sip:201@[2001:DB8::20]:5062" })
		invite := p.expect(sip.INVITE)
		if want := "sip:201@[2001:DB8::20]:5062"; invite.RequestURI != want {
			t.Errorf("Request-URI %q, want %q", invite.RequestURI, want)
		}
		if v := via(t, invite); v.Host != "[2001:db8::10]" || v.Port != 5060 {
			t.Errorf("Via %q", v)
		}
		wantGet(t, invite, sip.Contact, "<sip:callcontroller@[2001:db8::10]:5060>")
		for _, line := range []string{"c=IN IP6 2001:db8::10\r\n", " IN IP6 2001:db8::10\r\ns="} {
			if !strings.Contains(string(invite.Body), line) {
				t.Errorf("no %q in the SDP\n%s", line, invite.Body)
			}
		}
		p.reply(invite, 180, extra{})
		p.reply(invite, 200, extra{body: sdpBody})
		if ack := p.expect(sip.ACK); ack.RequestURI != "sip:201@[2001:db8::20]:5062" {
			t.Errorf("ACK to %q", ack.RequestURI)
		}
		p.reply(p.expect(sip.REFER), 202, extra{})
		p.finish(invite, 1)
		l.wantEnd(r, call.Completed)
	})
}
