package conformance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// strangerAddr is where somebody stands who has no part in the call.
var strangerAddr = netip.MustParseAddrPort("192.0.2.66:5060")

// spoofs are messages that a stranger sends to a call whose INVITE is known to him but
// for the tags: those are what make them his.
func spoofs(p *phone, invite received) map[string]string {
	sipfrag := extra{fields: []string{"Event: refer", "Subscription-State: terminated"}, kind: "message/sipfrag", body: "SIP/2.0 200 OK\r\n"}
	return map[string]string{
		"BYE":               p.request(invite, sip.BYE, 900, extra{}),
		"NOTIFY 200":        p.request(invite, sip.NOTIFY, 900, sipfrag),
		"re-INVITE":         p.request(invite, sip.INVITE, 900, extra{body: sdpBody}),
		"CANCEL":            p.request(invite, sip.CANCEL, 1, extra{}),
		"200 to the INVITE": p.response(invite, 200, extra{body: sdpBody}),
		"404 to the INVITE": p.response(invite, 404, extra{}),
	}
}

// TestZ15SpoofedSIP: without the tag that only the phone has been told, nothing that
// comes for a call changes it, whatever else about it is right; requests get 481.
func TestZ15SpoofedSIP(t *testing.T) {
	exposed(t, func(l *lab, p *phone, invite received) {
		stranger := l.phoneAt(strangerAddr)
		defer stranger.close()
		branch, err := invite.Via()
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range spoofs(stranger, invite) {
			for lie, change := range map[string][2]string{
				"our tag guessed":  {";tag=" + invite.FromTag(), ";tag=0123456789abcdef0123456789abcdef"},
				"our tag left out": {";tag=" + invite.FromTag(), ""},
			} {
				forged := strings.Replace(text, change[0], change[1], 1)
				if strings.HasPrefix(what, "200") || strings.HasPrefix(what, "404") {
					forged = strings.ReplaceAll(forged, branch.Branch(), "z9hG4bKguessed")
				}
				stranger.send(forged)
				for _, m := range stranger.drain() {
					if name(m) != "481" && name(m) != "403" { // 403: without our tag it is an INVITE of his own
						t.Errorf("%s, %s: got\n%s", what, lie, m.Raw())
					}
				}
			}
		}
	})
}

// TestZ15StrictSource: who has read the tags on the way can do nothing from another
// address, while the phone itself can.
func TestZ15StrictSource(t *testing.T) {
	run(t, options{strict: true}, func(l *lab) {
		p, stranger := l.phone(), l.phoneAt(strangerAddr)
		defer p.close()
		defer stranger.close()
		r := l.place()
		invite := p.expect(sip.INVITE)
		stranger.send(stranger.response(invite, 404, extra{}))
		stranger.send(stranger.response(invite, 200, extra{body: sdpBody}))
		synctest.Wait()
		if c := r.Snapshot(); len(c.Rows) != 0 || c.State != call.CallingCaller {
			t.Fatalf("a stranger's response has made the call %s: %v", c.State, rows(r))
		}
		p.reply(invite, 200, extra{body: sdpBody})
		p.expect(sip.ACK)
		p.reply(p.expect(sip.REFER), 202, extra{})
		for what, text := range spoofs(stranger, invite) {
			stranger.send(text)
			for _, m := range stranger.drain() {
				t.Errorf("%s: a stranger gets\n%s", what, m.Raw())
			}
		}
		if c := r.Snapshot(); len(c.Rows) != 1 || c.State == call.Ended {
			t.Errorf("a stranger has made the call %s: %v", c.State, rows(r))
		}
		p.finish(invite, 1000)
		l.wantEnd(r, call.Completed)
	})
}

// TestZ19NoReflector: a flood under one address, which may be forged, gets so many
// answers and no more; others, and calls, are served meanwhile, and later it is served
// again.
func TestZ19NoReflector(t *testing.T) {
	exposed(t, func(l *lab, p *phone, invite received) {
		victim, other := l.phoneAt(strangerAddr), l.phoneAt(netip.MustParseAddrPort("198.51.100.9:5060"))
		defer victim.close()
		defer other.close()
		asks := func(q *phone, method string, n int) string {
			return fmt.Sprintf("%s sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d%s\r\nMax-Forwards: 70\r\nFrom: <sip:x@h>;tag=%d\r\nTo: <sip:y@h>\r\n"+
				"Call-ID: %d\r\nCSeq: 1 %s\r\nContact: <sip:x@%s>\r\nContent-Length: 0\r\n\r\n", method, q.addr, n, method, n, n, method, q.addr)
		}
		const flood = 5000
		for i := range flood {
			victim.send(asks(victim, [...]string{sip.OPTIONS, sip.INVITE, sip.REGISTER, sip.BYE}[i%4], i))
		}
		answers := victim.drain()
		if n := len(answers); n < 100 || n > flood/8 {
			t.Errorf("%d answers to %d requests", n, flood)
		}
		for _, m := range answers {
			if request := len(asks(victim, sip.REGISTER, flood)); len(m.Raw()) > 3*request {
				t.Fatalf("%d bytes to a request of %d:\n%s", len(m.Raw()), request, m.Raw())
			}
		}
		other.send(asks(other, sip.OPTIONS, 1))
		other.expect("200")
		if got := p.ask(invite, "", sip.OPTIONS, 100); got != "200" {
			t.Errorf("the phone of a call gets %s", got)
		}
		time.Sleep(time.Second)
		victim.send(asks(victim, sip.OPTIONS, flood+1))
		victim.expect("200")
	})
}
