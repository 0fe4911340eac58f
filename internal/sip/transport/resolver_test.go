package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// zone is a DNS for tests. Keys are names, with "_sip._udp." in front for SRV. It
// records what it was asked.
type zone struct {
	srv   map[string][]*net.SRV
	addrs map[string][]netip.Addr
	fails map[string]error
	asked []string
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	key := "_" + service + "._" + proto + "." + name
	z.asked = append(z.asked, key)
	if err := z.fails[key]; err != nil {
		return "", nil, err
	}
	if r, ok := z.srv[key]; ok {
		return name, r, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: key, IsNotFound: true}
}

func (z *zone) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	z.asked = append(z.asked, host)
	if err := z.fails[host]; err != nil {
		return nil, err
	}
	if a, ok := z.addrs[host]; ok && network == "ip" {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func testZone() *zone {
	return &zone{
		srv: map[string][]*net.SRV{
			"_sip._udp.both.test": {{Target: "b.test.", Port: 5080, Priority: 2}, {Target: "a.test.", Port: 5070, Priority: 1}},
			"_sip._tcp.both.test": {{Target: "a.test.", Port: 5090}},
			"_sip._tcp.tcp.test":  {{Target: "a.test.", Port: 5091}},
			"_sip._udp.none.test": {{Target: "."}},
			"_sip._udp.half.test": {{Target: "lost.test.", Port: 1}, {Target: "a.test.", Port: 2, Priority: 1}},
			"_sip._udp.dead.test": {{Target: "lost.test.", Port: 1}},
			"_sip._udp.bad.test":  {{Target: "a.test.", Port: 0}},
		},
		addrs: map[string][]netip.Addr{
			"a.test.":    {addr("192.0.2.1"), addr("2001:db8::1")},
			"b.test.":    {addr("192.0.2.2")},
			"plain.test": {addr("::ffff:192.0.2.9"), addr("192.0.2.9")},
			"both.test":  {addr("192.0.2.99")},
			"maddr.test": {addr("192.0.2.44")},
			"empty.test": {},
		},
		fails: map[string]error{
			"_sip._udp.plain.test": errors.New("server misbehaving"),
			"broken.test":          errors.New("server misbehaving"),
		},
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		uri   string
		want  string // targets, or what the error says after "!"
		asked string
	}{
		// Nothing to look up.
		{"sip:192.0.2.5", "UDP 192.0.2.5:5060", ""},
		{"sip:u@192.0.2.5:5070;transport=TCP", "TCP 192.0.2.5:5070", ""},
		{"sip:[2001:db8::5]", "UDP [2001:db8::5]:5060", ""},
		{"sip:[::ffff:192.0.2.5]:1", "UDP 192.0.2.5:1", ""},
		{"sip:plain.test;maddr=192.0.2.6", "UDP 192.0.2.6:5060", ""},
		{"sip:plain.test:5;maddr=[2001:db8::6]", "UDP [2001:db8::6]:5", ""},
		// A port: no SRV.
		{"sip:both.test:5061", "UDP 192.0.2.99:5061", "both.test"},
		{"sip:both.test:5061;transport=tcp", "TCP 192.0.2.99:5061", "both.test"},
		// SRV.
		{
			"sip:both.test", "UDP 192.0.2.1:5070, UDP [2001:db8::1]:5070, UDP 192.0.2.2:5080, TCP 192.0.2.1:5090, TCP [2001:db8::1]:5090",
			"_sip._udp.both.test a.test. b.test. _sip._tcp.both.test a.test.",
		},
		{"sip:both.test;transport=tcp", "TCP 192.0.2.1:5090, TCP [2001:db8::1]:5090", "_sip._tcp.both.test a.test."},
		{"sip:tcp.test", "TCP 192.0.2.1:5091, TCP [2001:db8::1]:5091", "_sip._udp.tcp.test _sip._tcp.tcp.test a.test."},
		{"sip:half.test;transport=udp", "UDP 192.0.2.1:2, UDP [2001:db8::1]:2", "_sip._udp.half.test lost.test. a.test."},
		{"sip:plain.test;maddr=tcp.test;transport=tcp", "TCP 192.0.2.1:5091, TCP [2001:db8::1]:5091", "_sip._tcp.tcp.test a.test."},
		// No SRV, or none to be had.
		{"sip:plain.test", "UDP 192.0.2.9:5060", "_sip._udp.plain.test _sip._tcp.plain.test plain.test"},
		{"sip:plain.test;transport=tcp", "TCP 192.0.2.9:5060", "_sip._tcp.plain.test plain.test"},
		{"sip:plain.test;maddr=maddr.test", "UDP 192.0.2.44:5060", "_sip._udp.maddr.test _sip._tcp.maddr.test maddr.test"},
		// Faults.
		{"sip:none.test", "!none.test says that it has no SIP over UDP", "_sip._udp.none.test _sip._tcp.none.test"},
		{"sip:dead.test", "!lost.test", "_sip._udp.dead.test lost.test. _sip._tcp.dead.test"},
		{"sip:bad.test;transport=udp", `!next hop of "bad.test": it has no address`, "_sip._udp.bad.test a.test."},
		{"sip:nowhere.test:5060", `!next hop of "nowhere.test"`, "nowhere.test"},
		{"sip:broken.test:5060", "!server misbehaving", "broken.test"},
		{"sip:empty.test:5060", "!it has no address", "empty.test"},
		{"sips:both.test", "!both.test", ""},
		{"sips:192.0.2.1", "!supported yet", ""},
		{"sip:both.test;transport=tls", `!transport "tls"`, ""},
		{"sip:192.0.2.1;transport=sctp", `!transport "sctp"`, ""},
		{"sip:192.0.2.1;transport", `!transport ""`, ""},
		{"tel:+4930", "!tel", ""},
	} {
		u, err := sip.ParseURI(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		z := testZone()
		r := transport.Resolver{DNS: z}
		found, err := r.Resolve(t.Context(), u)
		if fault, isFault := strings.CutPrefix(c.want, "!"); isFault {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %v, %v; want an error with %q", c.uri, found, err, fault)
			}
		} else if got := join(found); err != nil || got != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.uri, got, err, c.want)
		}
		if diff := cmp.Diff(c.asked, strings.Join(z.asked, " ")); diff != "" {
			t.Errorf("%s: asked (-want +got)\n%s", c.uri, diff)
		}
		one, ok := r.Numeric(u)
		if wantOK := c.asked == "" && c.want[0] != '!'; ok != wantOK || ok && one.String() != c.want {
			t.Errorf("%s: Numeric gives %v, %t", c.uri, one, ok)
		}
	}
}

func join(found []transport.Target) string {
	text := make([]string, len(found))
	for i, f := range found {
		text[i] = f.String()
	}
	return strings.Join(text, ", ")
}

func TestResolveIsBounded(t *testing.T) {
	z := &zone{srv: map[string][]*net.SRV{}, addrs: map[string][]netip.Addr{}}
	for i := range 40 {
		name := fmt.Sprintf("h%d.test.", i)
		z.srv["_sip._udp.many.test"] = append(z.srv["_sip._udp.many.test"], &net.SRV{Target: name, Port: 5060})
		z.addrs[name] = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
	}
	found, err := (&transport.Resolver{DNS: z}).Resolve(t.Context(), sip.URI{Scheme: "sip", Host: "many.test"})
	if err != nil || len(found) != 16 || len(z.asked) > 18 {
		t.Errorf("%d targets by %d look-ups, %v; want 16", len(found), len(z.asked), err)
	}
}

func TestResolveEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	z := testZone()
	_, err := (&transport.Resolver{DNS: z}).Resolve(ctx, sip.URI{Scheme: "sip", Host: "both.test"})
	if !errors.Is(err, context.Canceled) || len(z.asked) != 1 {
		t.Errorf("%v after %v", err, z.asked)
	}
}

func TestProtocol(t *testing.T) {
	for p, want := range map[transport.Protocol]string{
		transport.UDP: "UDP udp 5060 false", transport.TCP: "TCP tcp 5060 true", transport.TLS: "TLS tls 5061 true",
		transport.WS: "WS ws 80 true", transport.WSS: "WSS wss 443 true",
	} {
		if got := fmt.Sprint(p, " ", p.Param(), " ", p.DefaultPort(), " ", p.Reliable()); got != want {
			t.Errorf("protocol %d: %s, want %s", p, got, want)
		}
		if back, ok := transport.ParseProtocol(p.Param()); !ok || back != p {
			t.Errorf("ParseProtocol(%q) is %v, %t", p.Param(), back, ok)
		}
	}
	if p, ok := transport.ParseProtocol(""); ok {
		t.Errorf("ParseProtocol of nothing is %v", p)
	}
}
