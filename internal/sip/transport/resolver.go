package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"callcontroller/internal/sip"
)

// maxTargets bounds what Resolve gives, and so how long a call can be tried.
const maxTargets = 16

// Lookup is what Resolver needs of the DNS; *net.Resolver has it.
type Lookup interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolver finds the next hops of a URI by RFC 3263, without NAPTR. The zero value
// asks the system's resolver. It keeps nothing, so it may be used by many at once.
type Resolver struct {
	DNS Lookup // default net.DefaultResolver
}

// Numeric gives the next hop of a URI that needs no look-up: its host or maddr is
// an IP address. ok is false for every other URI, those with a fault included;
// Resolve tells what the fault is.
func (r *Resolver) Numeric(u sip.URI) (t Target, ok bool) {
	p, _, err := protocolOf(u)
	if err != nil {
		return Target{}, false
	}
	addr, ok := sip.HostAddr(targetHost(u))
	if !ok {
		return Target{}, false
	}
	return Target{p, netip.AddrPortFrom(addr.Unmap(), portOf(u, p))}, true
}

// Resolve gives the next hops of u in the order in which they are to be tried, at
// least one and at most 16. It blocks on the DNS up to the end of ctx.
func (r *Resolver) Resolve(ctx context.Context, u sip.URI) ([]Target, error) {
	p, asked, err := protocolOf(u)
	if err != nil {
		return nil, fmt.Errorf("next hop of %q: %w", u.Host, err)
	}
	if t, ok := r.Numeric(u); ok {
		return []Target{t}, nil
	}
	host := targetHost(u)
	var found targets
	if u.Port == 0 {
		protocols := []Protocol{UDP, TCP}
		if asked {
			protocols = []Protocol{p}
		}
		decided, err := r.services(ctx, &found, host, protocols)
		if decided || err != nil {
			return found.result(host, err)
		}
	}
	return found.result(host, r.addresses(ctx, &found, p, host, portOf(u, p)))
}

// protocolOf is the transport that u asks for (asked), else UDP.
func protocolOf(u sip.URI) (p Protocol, asked bool, err error) {
	if !u.IsSIP() {
		return 0, false, fmt.Errorf("the scheme %q has no next hop, it must be sip", u.Scheme)
	}
	if u.Scheme == "sips" {
		return 0, false, fmt.Errorf("sips: TLS: %w", ErrUnsupported)
	}
	name, asked := u.Params.Get("transport")
	if !asked {
		return UDP, false, nil
	}
	p, ok := ParseProtocol(name)
	if !ok || p != UDP && p != TCP {
		return 0, true, fmt.Errorf("transport %q: %w", name, ErrUnsupported)
	}
	return p, true, nil
}

// targetHost is maddr or the host (RFC 3263 section 4, its TARGET).
func targetHost(u sip.URI) string {
	if maddr, _ := u.Params.Get("maddr"); maddr != "" {
		return maddr
	}
	return u.Host
}

func portOf(u sip.URI, p Protocol) uint16 {
	if u.Port > 0 && u.Port < 1<<16 {
		return uint16(u.Port)
	}
	return p.DefaultPort()
}

// services follows the SRV records of host (RFC 3263 section 4.2). decided is
// false when there are none and the addresses of host itself have to do.
func (r *Resolver) services(ctx context.Context, found *targets, host string, protocols []Protocol) (decided bool, err error) {
	var faults []error
	for _, p := range protocols {
		_, records, err := r.dns().LookupSRV(ctx, "sip", p.Param(), host)
		if ctx.Err() != nil {
			return true, ctx.Err()
		}
		if len(records) == 0 {
			// No such record, or a server that fails on SRV: the addresses decide.
			faults = append(faults, err)
			continue
		}
		decided = true
		faults = append(faults, r.follow(ctx, found, p, host, records))
	}
	if !decided {
		return false, nil
	}
	return true, errors.Join(faults...)
}

// follow adds the addresses of SRV records in their order.
func (r *Resolver) follow(ctx context.Context, found *targets, p Protocol, host string, records []*net.SRV) error {
	if len(records) == 1 && (records[0].Target == "." || records[0].Target == "") {
		return fmt.Errorf("%s says that it has no SIP over %s", host, p) // RFC 2782, "Target".
	}
	var faults []error
	for _, s := range order(records, pick) {
		if found.full() {
			break
		}
		faults = append(faults, r.addresses(ctx, found, p, s.Target, s.Port))
	}
	return errors.Join(faults...)
}

// addresses adds the addresses of one host.
func (r *Resolver) addresses(ctx context.Context, found *targets, p Protocol, host string, port uint16) error {
	addrs, err := r.dns().LookupNetIP(ctx, "ip", host)
	for _, a := range addrs {
		found.add(Target{p, netip.AddrPortFrom(a.Unmap(), port)})
	}
	return err
}

func (r *Resolver) dns() Lookup {
	if r.DNS == nil {
		return net.DefaultResolver
	}
	return r.DNS
}

// targets is a bounded list without repeats.
type targets []Target

func (t targets) full() bool { return len(t) >= maxTargets }

func (t *targets) add(hop Target) {
	if t.full() || hop.Addr.Port() == 0 || slices.Contains(*t, hop) {
		return
	}
	*t = append(*t, hop)
}

// result is the list, or why it is empty.
func (t targets) result(host string, err error) ([]Target, error) {
	switch {
	case len(t) > 0:
		return t, nil
	case err != nil:
		return nil, fmt.Errorf("next hop of %q: %w", host, err)
	default:
		return nil, fmt.Errorf("next hop of %q: it has no address", host)
	}
}
