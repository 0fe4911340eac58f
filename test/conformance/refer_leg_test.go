package conformance

import (
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// TestT04NeverOfferHold: the first offer is one real audio line, sendrecv, at our
// own address: phones refuse other ones, or accept a REFER and never dial.
func TestT04NeverOfferHold(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		if !invite.ContentTypeIs("application/sdp") {
			t.Errorf("Content-Type %q", invite.Get(sip.ContentType))
		}
		offer := string(invite.Body)
		for _, line := range []string{"c=IN IP4 192.0.2.10\r\n", "m=audio 40000 RTP/AVP ", "a=sendrecv\r\n"} {
			if strings.Count(offer, line) != 1 {
				t.Errorf("the offer must hold %q once:\n%s", line, offer)
			}
		}
		for _, line := range []string{"a=inactive", "a=sendonly", "a=recvonly", "0.0.0.0", "m=audio 0 "} {
			if strings.Contains(offer, line) {
				t.Errorf("the offer holds %q:\n%s", line, offer)
			}
		}
		p.reply(invite, 486, extra{})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Busy)
	})
}

// TestT17ByeAfterAccepted: the subscription outlives the BYE (RFC 5057 section 4.1).
func TestT17ByeAfterAccepted(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.request(invite, sip.BYE, 1, extra{}))
		p.expect("200")
		for i, frag := range []string{"SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"} {
			p.send(p.notify(invite, i+2, active, frag))
			p.expect("200")
			p.quiet(20 * time.Second)
		}
		p.send(p.notify(invite, 4, terminal, "SIP/2.0 486 Busy Here"))
		p.expect("200")
		l.wantEnd(r, call.Busy)
		l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 180 Ringing", "NOTIFY SIP/2.0 486 Busy Here")
		p.send(p.notify(invite, 5, terminal, "SIP/2.0 200 OK"))
		p.expect("481")
	})
}

// TestT17ByeThenSilence: a phone that hung up and reports nothing is waited for as
// any other is; no BYE follows.
func TestT17ByeThenSilence(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.request(invite, sip.BYE, 1, extra{}))
		p.expect("200")
		p.quiet(31 * time.Second)
		if got := r.Snapshot().State; got != call.CallingCallee {
			t.Errorf("state %s", got)
		}
		p.quiet(2 * time.Second)
		l.wantEnd(r, call.Unknown)
	})
}

// hold is an offer of the phone with that direction, its version'th.
func hold(version, direction string) extra {
	return extra{body: "v=0\r\no=- 1 " + version + " IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n" +
		"m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\na=" + direction + "\r\n"}
}

// TestT18HoldBeforeDialling: linphone puts the call with us on hold between its
// 202 and its own INVITE, and goes on only when that is answered; later it takes
// the call back.
func TestT18HoldBeforeDialling(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		var versions []string
		versions = append(versions, versionOf(t, invite))
		for i, c := range []struct{ offered, answered string }{
			{"sendonly", "recvonly"}, {"inactive", "inactive"}, {"recvonly", "sendonly"}, {"sendrecv", "sendrecv"},
		} {
			seq := 1 + i
			p.send(p.request(invite, sip.INVITE, seq, hold("2", c.offered)))
			ok := p.expect("200")
			p.send(p.request(invite, sip.ACK, seq, extra{}))
			if _, there := ok.Contact(); !there || !strings.Contains(string(ok.Body), "a="+c.answered+"\r\n") {
				t.Errorf("%s was answered with\n%s", c.offered, ok.Raw())
			}
			versions = append(versions, versionOf(t, ok))
		}
		p.send(p.notify(invite, 9, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
		// Row F07: every one of these descriptions differs from the one before.
		if got := strings.Join(versions, " "); got != "1 2 3 4 5" {
			t.Errorf("versions of o= %s", got)
		}
	})
}

func versionOf(t *testing.T, m received) string {
	t.Helper()
	for line := range strings.Lines(string(m.Body)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "o=") && len(f) == 6 {
			return f[2]
		}
	}
	t.Fatalf("no o= line in\n%s", m.Body)
	return ""
}

// TestT18OfferlessReinvite: without an offer of the phone the 200 makes one.
func TestT18OfferlessReinvite(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.request(invite, sip.INVITE, 1, extra{}))
		ok := p.expect("200")
		if string(ok.Body) != string(invite.Body) {
			t.Errorf("the offer of the 200 is not that of the INVITE:\n%s", ok.Body)
		}
		p.send(p.request(invite, sip.ACK, 1, extra{body: sdpBody}))
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestT18HoldNotUnderstood: what the sink cannot answer is refused, and the call
// goes on.
func TestT18HoldNotUnderstood(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.request(invite, sip.INVITE, 1, extra{body: "v=0\r\n"}))
		refusal := p.expect("488")
		p.send(p.ackFor(invite, 1, refusal))
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestT18HoldWithoutAck: a phone that never acknowledges its re-INVITE has lost
// the dialog; it gets the 200 for 32 s, and one BYE.
func TestT18HoldWithoutAck(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, active, "SIP/2.0 180 Ringing"))
		p.expect("200")
		p.send(p.request(invite, sip.INVITE, 2, hold("2", "sendonly")))
		first := p.expect("200")
		for range 10 { // At .5, 1.5, 3.5, 7.5, then every 4 s.
			p.expect("200")
		}
		bye := p.bye()
		wantAt(t, "BYE", bye.at, first.at+32*time.Second)
		l.wantEnd(r, call.Failed)
	})
}

// TestT18HoldWithoutAckThenEnd: hanging up ends the repetition of a 200 that is
// not acknowledged, and nothing follows the BYE.
func TestT18HoldWithoutAckThenEnd(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.request(invite, sip.INVITE, 1, hold("2", "sendonly")))
		p.expect("200")
		p.send(p.notify(invite, 2, terminal, "SIP/2.0 200 OK"))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
		for _, m := range p.drainFor(2 * time.Minute) {
			if m.IsRequest() {
				t.Errorf("%s at %v, after the BYE", m.Method, m.at)
			}
		}
	})
}

// TestT24ByeBeforeAccepted: the phone hangs up between our ACK and its answer to
// the REFER, whatever that is.
func TestT24ByeBeforeAccepted(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, refer := p.answer()
		p.send(p.request(invite, sip.BYE, 1, extra{}))
		p.expect("200")
		p.reply(refer, 481, extra{})
		l.wantEnd(r, call.Cancelled)
		l.wantRows(r, rowRinging, rowAnswered)
		if n := l.engine.Len(); n != 0 {
			t.Errorf("%d calls live", n)
		}
	})
}

// TestT24ByeAndSilence: no answer to the REFER ever comes.
func TestT24ByeAndSilence(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.answer()
		p.send(p.request(invite, sip.BYE, 1, extra{}))
		p.expect("200")
		for range 10 {
			p.expect(sip.REFER)
		}
		p.quiet(time.Second)
		l.wantEnd(r, call.Cancelled)
	})
}

// TestX03CallerHangsUpFirst is row F16's case in REFER mode, with the REFER
// accepted and the target ringing.
func TestX03CallerHangsUpFirst(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		invite, _ := p.accept()
		p.send(p.notify(invite, 1, active, "SIP/2.0 180 Ringing"))
		p.expect("200")
		p.send(p.request(invite, sip.BYE, 2, extra{}))
		p.expect("200")
		p.send(p.notify(invite, 3, terminal, "SIP/2.0 487 Request Terminated"))
		p.expect("200")
		l.wantEnd(r, call.NoAnswer)
	})
}
