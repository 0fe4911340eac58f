package conformance

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// twoProxies is a DNS in which proxy.test has two proxies, the lab's phone first.
type twoProxies struct{ only bool }

var secondAddr = netip.MustParseAddrPort("192.0.2.21:5060")

func (z twoProxies) LookupSRV(_ context.Context, _, proto, _ string) (string, []*net.SRV, error) {
	if proto != "udp" {
		return "", nil, &net.DNSError{IsNotFound: true}
	}
	list := []*net.SRV{{Target: "one.", Port: 5060, Priority: 1}, {Target: "two.", Port: 5060, Priority: 2}}
	if z.only {
		list = list[:1]
	}
	return "", list, nil
}

func (z twoProxies) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "two." || host == "two" {
		return []netip.Addr{secondAddr.Addr()}, nil
	}
	return []netip.Addr{phoneAddr.Addr()}, nil
}

// TestU20NextProxy: 503 of one proxy: the next one is tried, once; the first is left
// alone as long as it asked.
func TestU20NextProxy(t *testing.T) {
	run(t, options{proxy: "sip:proxy.test", dns: twoProxies{}}, func(l *lab) {
		one, two := l.phone(), l.phoneAt(secondAddr)
		defer one.close()
		defer two.close()
		r := l.place()
		first := one.expect(sip.INVITE)
		one.reply(first, 503, extra{fields: []string{"Retry-After: 20 (busy)"}})
		one.expect(sip.ACK)
		second := two.expect(sip.INVITE)
		if second.Get(sip.CallID) != first.Get(sip.CallID) {
			t.Error("the call has another Call-ID at the second proxy")
		}
		two.reply(second, 503, extra{})
		two.expect(sip.ACK)
		l.wantEnd(r, call.Failed)
		l.wantRows(r, "INVITE SIP/2.0 503 Service Unavailable", "INVITE SIP/2.0 503 Service Unavailable")
		r = l.place()
		two.reject(two.expect(sip.INVITE), 486, extra{})
		l.wantEnd(r, call.Busy)
		one.quiet(20 * time.Second)
		r = l.place()
		one.reject(one.expect(sip.INVITE), 486, extra{})
		l.wantEnd(r, call.Busy)
	})
}

// TestU20Alone: there is no other proxy: 503 is the end, and nothing is sent to it as
// long as it asked.
func TestU20Alone(t *testing.T) {
	run(t, options{proxy: "sip:proxy.test", dns: twoProxies{only: true}}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place()
		p.reject(p.expect(sip.INVITE), 503, extra{fields: []string{"Retry-After: 10"}})
		l.wantEnd(r, call.Failed)
		r = l.place()
		time.Sleep(time.Second)
		l.wantEnd(r, call.Unreachable)
		l.wantRows(r, "INVITE SIP/2.0 503 Service Unavailable")
		p.quiet(9 * time.Second)
		r = l.place()
		p.reject(p.expect(sip.INVITE), 486, extra{})
		l.wantEnd(r, call.Busy)
	})
}

// TestX08ProxyIsDown: nobody is there when the call is placed: row 408 after 32 s.
func TestX08ProxyIsDown(t *testing.T) {
	run(t, options{}, func(l *lab) {
		l.net.Vanish(phoneAddr.Addr())
		r := l.place()
		time.Sleep(33 * time.Second)
		l.wantEnd(r, call.TimedOut)
		l.wantRows(r, "INVITE SIP/2.0 408 Request Timeout")
	})
}

// TestX08ProxyRestarts: it is away for ten seconds in the middle of a call: what is sent
// then arrives when it is back.
func TestX08ProxyRestarts(t *testing.T) {
	run(t, options{}, func(l *lab) {
		p := l.phone()
		defer p.close()
		r := l.place(stay)
		a, b := p.connect()
		l.net.Vanish(phoneAddr.Addr())
		r.Post(call.Hangup{By: call.ByAgent})
		time.Sleep(10 * time.Second)
		l.net.Return(phoneAddr.Addr())
		got := map[string]bool{}
		for len(got) < 2 {
			m := p.expect(sip.BYE)
			tag := "a"
			if m.Get(sip.CallID) == b.Get(sip.CallID) {
				tag = "b"
			}
			got[m.Get(sip.CallID)] = true
			p.reply(m, 200, extra{tag: tag})
		}
		if !got[a.Get(sip.CallID)] {
			t.Error("the calling party has no BYE")
		}
		l.wantEnd(r, call.Completed)
	})
}
