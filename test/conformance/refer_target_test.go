package conformance

import (
	"net/url"
	"strings"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// refuseRefer refuses the REFER so that the call is over.
func (p *phone) refuseRefer(refer received) {
	p.Helper()
	p.reply(refer, 603, extra{})
	p.bye()
}

// TestT21ReferredBy: the field names who the order says, the agent or the calling
// party, and tells nothing more of anybody.
func TestT21ReferredBy(t *testing.T) {
	for _, uri := range []string{"sip:203@example.com", "sip:201@example.com"} {
		t.Run(uri, func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				l.place(func(o *call.Order) { o.ReferredBy = uri })
				_, refer := p.answer()
				if got, want := refer.Get(sip.ReferredBy), "<"+uri+">"; got != want {
					t.Errorf("Referred-By %q, want %q", got, want)
				}
				if strings.Contains(refer.Get(sip.ReferTo)+refer.Get(sip.ReferredBy), "Agent") {
					t.Error("a display name in the REFER")
				}
				p.refuseRefer(refer)
			})
		})
	}
}

// TestT22Confpin: whatever the PIN holds, the Refer-To has one header part with
// one field, and the REFER no field more than any other.
func TestT22Confpin(t *testing.T) {
	plain := fieldsOfRefer(t, "")
	for _, pin := range []string{"12&Route=<sip:e>", "1>;x=\"y\"", "a b%20+c?d;e=f", "ü,☎", "1\x002"} {
		t.Run(pin, func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				l.place(func(o *call.Order) { o.ConfPIN = pin })
				_, refer := p.answer()
				to, err := sip.ParseNameAddr(refer.Get(sip.ReferTo))
				if err != nil || to.Params != "" || to.Display != "" || to.URI.Params != "" || to.URI.User != "202" || to.URI.Host != "example.com" {
					t.Fatalf("Refer-To %q: %+v, %v", refer.Get(sip.ReferTo), to, err)
				}
				headers, err := url.ParseQuery(strings.ReplaceAll(to.URI.Headers, "+", "%2B"))
				if err != nil || len(headers) != 1 || len(headers["X-ConfPin"]) != 1 || headers.Get("X-ConfPin") != pin {
					t.Errorf("header part %q: %q, %v", to.URI.Headers, headers, err)
				}
				if got := fieldNames(refer); got != plain {
					t.Errorf("fields of the REFER\n%s\nwithout a PIN\n%s", got, plain)
				}
				p.refuseRefer(refer)
			})
		})
	}
}

// TestT22BadTarget: a target that is no URI never leaves, and the call ends.
func TestT22BadTarget(t *testing.T) {
	for _, to := range []string{"sip:202@example.com>;x=<sip:e", "sip:202@example.com?a=b c", "sip:@", "202"} {
		t.Run(to, func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place(func(o *call.Order) { o.Callee.URI = to })
				invite := p.expect(sip.INVITE)
				p.reply(invite, 200, extra{body: sdpBody})
				p.expect(sip.ACK)
				wantReason(t, p.bye(), 500, "Server Internal Error")
				l.wantEnd(r, call.Failed)
			})
		})
	}
}

func fieldsOfRefer(t *testing.T, pin string) (names string) {
	t.Helper()
	audited(t, func(l *lab, p *phone) {
		l.place(func(o *call.Order) { o.ConfPIN = pin })
		_, refer := p.answer()
		names = fieldNames(refer)
		p.refuseRefer(refer)
	})
	return names
}

func fieldNames(m received) string {
	var names []string
	for _, f := range m.Fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}
