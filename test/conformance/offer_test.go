package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// phoneOffer is what a phone offers when the INVITE had no SDP.
const phoneOffer = "v=0\r\no=- 7 7 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n" +
	"m=video 4002 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n" +
	"m=audio 4000 RTP/AVP 96 98 0 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"

// TestF02OfferLadder: an INVITE that is refused for its SDP is sent once more
// without; the phone's offer is answered in the ACK.
func TestF02OfferLadder(t *testing.T) {
	for _, status := range []int{488, 606, 415} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				first := p.expect(sip.INVITE)
				p.reply(first, status, extra{})
				p.expect(sip.ACK)
				second := p.expect(sip.INVITE)
				if len(second.Body) != 0 || second.Has(sip.ContentType) {
					t.Errorf("the second INVITE has a body:\n%s", second.Raw())
				}
				if second.Get(sip.CallID) == first.Get(sip.CallID) || second.FromTag() == first.FromTag() || second.Get(sip.CSeq) != "1 INVITE" {
					t.Errorf("the second INVITE is not a new one:\n%s", second.Raw())
				}
				p.reply(second, 200, extra{body: phoneOffer})
				ack := p.expect(sip.ACK)
				want := "m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\nm=audio 40000 RTP/AVP 96 0 101\r\n" +
					"a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
				if !ack.ContentTypeIs("application/sdp") || !strings.HasSuffix(string(ack.Body), want) {
					t.Errorf("the ACK answers with\n%s\nwant at the end\n%s", ack.Body, want)
				}
				p.refuseRefer(p.expect(sip.REFER))
				l.wantRows(r, fmt.Sprintf("INVITE SIP/2.0 %d %s", status, sip.ReasonPhrase(status)), rowAnswered, "NOTIFY SIP/2.0 603 Decline")
				for i, row := range r.Snapshot().Rows {
					if want := []string{first.Get(sip.CallID), second.Get(sip.CallID), second.Get(sip.CallID)}[i]; row.SIPCallID != want {
						t.Errorf("row %d has the Call-ID %s, want %s", i, row.SIPCallID, want)
					}
				}
			})
		})
	}
}

// TestF02GivesUp: one retry, then the phone's refusal is the outcome.
func TestF02GivesUp(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		for range 2 {
			p.reply(p.expect(sip.INVITE), 488, extra{})
			p.expect(sip.ACK)
		}
		l.wantEnd(r, call.Failed)
		l.wantOutcome(r.Snapshot(), call.Outcome{Result: call.Failed, FailedLeg: call.Caller, SIPCode: 488, EndedBy: call.ByCaller})
	})
}

// TestF02Remembered: the next call to that phone begins with the offer that it
// took; a phone that changes its mind has the other one again, and another phone
// is not concerned.
func TestF02Remembered(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		l.place()
		p.reply(p.expect(sip.INVITE), 488, extra{})
		p.expect(sip.ACK)
		take := func(wantSDP bool) {
			t.Helper()
			invite := p.expect(sip.INVITE)
			if got := len(invite.Body) > 0; got != wantSDP {
				t.Errorf("INVITE with SDP %v, want %v", got, wantSDP)
			}
			p.reply(invite, 200, extra{body: phoneOffer})
			p.expect(sip.ACK)
			p.refuseRefer(p.expect(sip.REFER))
		}
		take(false)
		l.place()
		take(false)
		l.place(func(o *call.Order) { o.Caller.URI = "sip:204@example.com" })
		take(true)
		l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 488, extra{})
		p.expect(sip.ACK)
		take(true)
		l.place()
		take(true)
	})
}
