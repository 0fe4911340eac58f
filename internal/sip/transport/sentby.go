package transport

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"callcontroller/internal/sip"
)

// site is one address on which the layer listens.
type site struct {
	protocol Protocol
	local    netip.AddrPort
	host     string  // local's address as Via wants it, "" for the wildcard
	socket   *socket // UDP only
}

func newSite(p Protocol, local netip.AddrPort, s *socket) site {
	at := site{protocol: p, local: local, socket: s}
	if !local.Addr().IsUnspecified() {
		at.host = sip.FormatHost(local.Addr())
	}
	return at
}

// serves tells whether a socket there speaks p with the family of to; an invalid to
// is of any family. The wildcard of IPv6 is open for IPv4 too (see System).
func (s site) serves(p Protocol, to netip.Addr) bool {
	a := s.local.Addr()
	return s.protocol == p && (a.Is4() == to.Is4() || !to.IsValid() || a == netip.IPv6Unspecified())
}

// site finds where to send from: the socket of the right family, among several the
// one on the address that the system would use towards to, else one on the
// wildcard, else the first.
func (l *Layer) site(p Protocol, to netip.Addr) (best site, ok bool) {
	l.mu.RLock()
	sites := l.sites // Only ever appended to, or replaced.
	l.mu.RUnlock()
	fits := 0
	for i := range sites {
		if sites[i].serves(p, to) {
			if fits++; fits == 1 {
				best = sites[i]
			}
		}
	}
	if fits < 2 {
		return best, fits == 1
	}
	local := l.routes.to(to).addr
	for i := range sites {
		switch s := &sites[i]; {
		case !s.serves(p, to):
		case s.local.Addr() == local:
			return *s, true
		case s.host == "" && best.host != "":
			best = *s
		}
	}
	return best, true
}

// SentBy is what Via and Contact say towards t: the advertised host and port where
// they are set, else those of the listening socket; for a socket on the wildcard,
// the local address that the system would use towards t. The host is ready for
// use: IPv6 stands in brackets. When nothing listens for t's protocol the port is
// that of another protocol, for a request to our Contact may come by that; it is 0
// when nothing listens at all.
func (l *Layer) SentBy(t Target) (host string, port int) {
	to := t.Addr.Addr().Unmap()
	at, ok := l.site(t.Protocol, to)
	for p := UDP; !ok && p <= WSS; p++ {
		at, ok = l.site(p, to)
	}
	host, port = at.host, int(at.local.Port())
	if l.name.port != 0 {
		port = l.name.port
	}
	switch {
	case l.name.host != "":
		return l.name.host, port
	case host != "":
		return host, port
	}
	return l.routes.to(to).host, port
}

// advertised is Config.Advertise, read.
type advertised struct {
	host string
	port int // 0: that of the socket
	err  error
}

func parseAdvertised(s string) advertised {
	if s == "" {
		return advertised{}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return advertised{host: sip.FormatHost(a)}
	}
	host, port, err := sip.ParseHostPort(s)
	if err != nil {
		return advertised{err: fmt.Errorf("advertised address %q is not HOST or HOST:PORT: %w", s, err)}
	}
	return advertised{host: host, port: port}
}

// routes remembers which local address leads where.
type routes struct {
	net   Net
	mu    sync.Mutex
	known map[netip.Addr]route
}

type route struct {
	addr  netip.Addr
	host  string // addr as Via wants it
	until time.Time
}

const (
	maxRoutes = 1024             // destinations; strangers can make us answer many
	routeLife = 30 * time.Second // an interface may come, go or be renumbered
)

// to gives the local address towards a. Where there is no way to a, it is the
// loopback address of that family: what is sent there will fail anyway.
func (r *routes) to(a netip.Addr) route {
	now := time.Now()
	r.mu.Lock()
	known, ok := r.known[a]
	r.mu.Unlock()
	if ok && now.Before(known.until) {
		return known
	}
	local, err := r.net.LocalAddr(a)
	if err != nil {
		local = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if a.Is6() {
			local = netip.IPv6Loopback()
		}
	}
	local = local.Unmap()
	known = route{addr: local, host: sip.FormatHost(local), until: now.Add(routeLife)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxRoutes {
		r.known = make(map[netip.Addr]route)
	}
	r.known[a] = known
	return known
}
