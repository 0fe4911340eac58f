package transport

import (
	"context"
	"net"
	"net/netip"

	"callcontroller/internal/sip"
)

// Lookup is what Resolver needs of the DNS; *net.Resolver has it.
type Lookup interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolver finds the next hops of a URI by RFC 3263, without NAPTR. The zero value
// asks the system's resolver.
type Resolver struct {
	DNS Lookup // default net.DefaultResolver
}

// Numeric gives the next hop of a URI that needs no look-up: its host or maddr is
// an IP address. ok is false for every other URI, those with a fault included;
// Resolve tells what the fault is.
func (r *Resolver) Numeric(u sip.URI) (t Target, ok bool) { return Target{}, false }

// Resolve gives the next hops of u in the order in which they are to be tried, at
// least one and at most 16. It blocks on the DNS up to the end of ctx.
func (r *Resolver) Resolve(ctx context.Context, u sip.URI) ([]Target, error) {
	return nil, ErrUnsupported
}
