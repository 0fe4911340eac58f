package conformance

import (
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip"
)

// timed is a 2xx that takes a session timer.
func timed(tag, expires, allow string) extra {
	return extra{tag: tag, body: sdpBody, fields: []string{"Session-Expires: " + expires, "Supported: timer", "Allow: INVITE, ACK, BYE" + allow}}
}

// withTimer connects a call whose calling party's phone answers with that timer. The
// called party's knows none.
func withTimer(t *testing.T, expires, allow string, test func(l *lab, p *phone, r *engine.Running, a, b received)) {
	t.Helper()
	run(t, options{expires: 1800}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place(stay)
		a := p.expect(sip.INVITE)
		if a.Get(sip.SessionExpires) != "1800" || !a.Contains(sip.Supported, "timer") {
			t.Errorf("INVITE:\n%s", a.Raw())
		}
		p.reply(a, 200, timed("a", expires, allow))
		p.expect(sip.ACK)
		b := p.expect(sip.INVITE)
		p.reply(b, 200, extra{tag: "b", body: offerB})
		re := p.expect(sip.INVITE)
		p.reply(re, 200, timed("a", expires, allow))
		p.expect(sip.ACK)
		p.expect(sip.ACK)
		test(l, p, r, a, b)
	})
}

// TestU35WeRefresh: at half of the interval, by UPDATE without SDP when the phone takes
// that, else by a re-INVITE that says the same once more.
func TestU35WeRefresh(t *testing.T) {
	for allow, method := range map[string]string{", UPDATE": sip.UPDATE, "": sip.INVITE} {
		t.Run(method, func(t *testing.T) {
			withTimer(t, "90;refresher=uac", allow, func(l *lab, p *phone, r *engine.Running, a, b received) {
				last := ""
				for range 5 {
					before := p.since()
					refresh := p.expect(method)
					wantAt(t, method, refresh.at-before, 45*time.Second)
					if got := refresh.Get(sip.SessionExpires); got != "90;refresher=uac" || refresh.Get(sip.CallID) != a.Get(sip.CallID) {
						t.Errorf("refresh:\n%s", refresh.Raw())
					}
					if method == sip.INVITE && (last != "" && string(refresh.Body) != last || withoutOrigin(refresh.Body) != withoutOrigin([]byte(offerB))) {
						t.Errorf("the SDP has changed:\n%s", refresh.Body)
					}
					last = string(refresh.Body)
					p.reply(refresh, 200, timed("a", "90;refresher=uac", allow))
					if method == sip.INVITE {
						p.expect(sip.ACK)
					}
				}
				p.send(p.request(a, sip.BYE, 1, extra{tag: "a"}))
				p.expect("200")
				p.bye()
				l.wantEnd(r, call.Completed)
			})
		})
	}
}

// TestU35PhoneRefreshes: as long as it does the call stands; when it stops, both legs
// are hung up.
func TestU35PhoneRefreshes(t *testing.T) {
	withTimer(t, "90;refresher=uas", "", func(l *lab, p *phone, r *engine.Running, a, b received) {
		for seq := range 3 {
			p.quiet(45 * time.Second)
			p.send(p.request(a, sip.UPDATE, seq+1, extra{tag: "a", fields: []string{"Session-Expires: 90;refresher=uac", "Supported: timer"}}))
			ok := p.expect("200")
			if ok.Get(sip.SessionExpires) != "90;refresher=uac" || !ok.Contains(sip.Require, "timer") {
				t.Errorf("answer:\n%s", ok.Raw())
			}
		}
		before := p.since()
		first, second := p.expect(sip.BYE), p.expect(sip.BYE)
		wantAt(t, "BYE", first.at-before, 60*time.Second)
		p.reply(first, 200, extra{tag: "a"})
		p.reply(second, 200, extra{tag: "b"})
		l.wantEnd(r, call.Failed)
	})
}

// TestU35TooSmall: 422 brings one more INVITE with the interval that it asks for; a
// phone's own that is too short for us gets 422.
func TestU35TooSmall(t *testing.T) {
	run(t, options{expires: 100}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place(stay)
		invite := p.expect(sip.INVITE)
		p.reply(invite, 422, extra{tag: "x", fields: []string{"Min-SE: 300"}})
		p.expect(sip.ACK)
		again := p.expect(sip.INVITE)
		if again.Get(sip.SessionExpires) != "300" || again.Get(sip.MinSE) != "300" || again.Get(sip.CSeq) != "2 INVITE" || again.Get(sip.CallID) != invite.Get(sip.CallID) {
			t.Errorf("INVITE:\n%s", again.Raw())
		}
		p.reply(again, 422, extra{tag: "x", fields: []string{"Min-SE: 400"}})
		p.expect(sip.ACK)
		l.wantEnd(r, call.Failed)
	})
	withTimer(t, "90;refresher=uas", "", func(l *lab, p *phone, r *engine.Running, a, b received) {
		p.send(p.request(a, sip.UPDATE, 1, extra{tag: "a", fields: []string{"Session-Expires: 30", "Supported: timer", "Require: timer"}}))
		if m := p.expect("422"); m.Get(sip.MinSE) != "90" {
			t.Errorf("422:\n%s", m.Raw())
		}
		p.send(p.request(a, sip.BYE, 2, extra{tag: "a"}))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
	})
}

// TestU35RefreshMeetsExchange: a re-INVITE that is due while the phones agree on
// something else comes later, and one that is refused is tried again.
func TestU35RefreshMeetsExchange(t *testing.T) {
	withTimer(t, "90;refresher=uac", "", func(l *lab, p *phone, r *engine.Running, a, b received) {
		p.quiet(44 * time.Second)
		p.send(p.request(b, sip.INVITE, 1, extra{tag: "b", body: strings.Replace(offerB, "sendrecv", "sendonly", 1)}))
		re := p.expect(sip.INVITE)
		if got := re.Get(sip.SessionExpires); got != "90;refresher=uac" {
			t.Errorf("Session-Expires %q in a re-INVITE that is passed on", got)
		}
		p.reply(re, 100, extra{})
		p.quiet(3 * time.Second)
		p.reply(re, 200, timed("a", "90;refresher=uac", ""))
		p.expect(sip.ACK)
		p.expect("200")
		p.send(p.request(b, sip.ACK, 1, extra{tag: "b"}))
		p.quiet(44 * time.Second)
		refresh := p.expect(sip.INVITE)
		if !strings.Contains(string(refresh.Body), "a=sendonly") {
			t.Errorf("refreshed with\n%s", refresh.Body)
		}
		p.reply(refresh, 491, extra{tag: "a"})
		p.expect(sip.ACK)
		refresh = p.expect(sip.INVITE)
		p.reply(refresh, 481, extra{tag: "a"})
		p.expect(sip.ACK)
		p.bye()
		p.bye()
		l.wantEnd(r, call.Failed)
	})
}
