package sandbox

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// ticket is the URI parameter of our Record-Route that proves, when it comes back
// in a Route, that the dialog began here, with a user who was allowed to. Without
// it nothing is relayed inside a dialog.
const ticket = "did"

// maxRoutes bounds the Route values of a request.
const maxRoutes = 32

// ours tells whether a URI names this proxy or a user of its domain.
func (p *Proxy) ours(u sip.URI) bool {
	if !u.IsSIP() {
		return false
	}
	port := u.Port
	if port == 0 {
		port = int(transport.UDP.DefaultPort())
	}
	here := port == int(p.addr.Port())
	if strings.EqualFold(u.Host, p.domain) {
		return u.Port == 0 || here
	}
	if strings.EqualFold(u.Host, "localhost") {
		return here
	}
	a, numeric := u.Addr()
	return here && numeric && (a.Unmap() == p.addr.Addr() || slices.Contains(p.local, a.Unmap()))
}

// permitted tells whether anything may be sent there at all.
func (p *Proxy) permitted(t transport.Target) bool {
	a := t.Addr.Addr().Unmap()
	return slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// hops are the ways to a contact. It counts where the REGISTER came from, for the
// contact may name a host that only the phone knows, or a port behind a translator;
// a contact at that same address is taken at its word.
func (p *Proxy) hops(b binding) []transport.Target {
	var r transport.Resolver
	named, numeric := r.Numeric(b.uri)
	switch near := numeric && named.Addr.Addr() == b.flow.Addr.Addr(); {
	case !near:
		return []transport.Target{b.flow}
	case b.flow.Protocol.Reliable():
		return []transport.Target{b.flow, named}
	default:
		return []transport.Target{named}
	}
}

// way gives the hops to a URI inside a dialog: those of the contact that it names,
// else its numeric address. A user of the domain stands for the contact registered
// last (a phone may use such a URI as its Contact); then uri is that one's.
func (p *Proxy) way(u sip.URI) (hops []transport.Target, uri string) {
	now := time.Now()
	if b, ok := p.location.byContact(u, now); ok {
		return p.hops(b), ""
	}
	if p.ours(u) {
		contacts := p.location.lookup(userOf(u), now)
		if len(contacts) == 0 {
			return nil, ""
		}
		return p.hops(contacts[0]), contacts[0].contact
	}
	var r transport.Resolver
	t, numeric := r.Numeric(u)
	if !numeric || !p.permitted(t) {
		return nil, ""
	}
	return []transport.Target{t}, ""
}

// takeRoutes gives the Route values behind those that name this proxy (section
// 16.4); known tells that one of ours has a valid ticket.
func (p *Proxy) takeRoutes(m *sip.Message) (known bool, rest []string) {
	for v := range m.Values(sip.Route) {
		if len(rest) == maxRoutes {
			break
		}
		a, err := sip.ParseNameAddr(v)
		if len(rest) > 0 || err != nil || !p.ours(a.URI) {
			rest = append(rest, v)
			continue
		}
		known = known || p.validTicket(a.URI, m)
	}
	return known, rest
}

// known tells whether a request belongs to a dialog that began here.
func (p *Proxy) known(m *sip.Message) bool {
	known, _ := p.takeRoutes(p.unstrict(m))
	return known
}

// unstrict undoes what a strict router did: it put our Record-Route value into the
// Request-URI, and the Request-URI behind the Route (section 16.4).
func (p *Proxy) unstrict(m *sip.Message) *sip.Message {
	u, err := sip.ParseURI(m.RequestURI)
	if err != nil || !u.Params.Has(ticket) || !p.ours(u) {
		return m
	}
	routes := slices.Collect(m.Values(sip.Route))
	if len(routes) == 0 {
		return m
	}
	last, err := sip.ParseNameAddr(routes[len(routes)-1])
	if err != nil {
		return m
	}
	fixed := m.Clone()
	setRoutes(fixed, append([]string{"<" + m.RequestURI + ">"}, routes[:len(routes)-1]...))
	fixed.RequestURI = last.URI.String()
	return fixed
}

func setRoutes(m *sip.Message, routes []string) {
	m.Remove(sip.Route)
	for _, r := range routes {
		m.Add(sip.Route, r)
	}
}

func (p *Proxy) ticket(m *sip.Message) string {
	mac := p.mac("dialog", m.Get(sip.CallID))
	return hex.EncodeToString(mac[:8])
}

func (p *Proxy) validTicket(u sip.URI, m *sip.Message) bool {
	shown, _ := u.Params.Get(ticket)
	return shown != "" && shown == p.ticket(m)
}

// recordRoute puts this proxy into the path of a dialog (section 16.6 step 4): once
// when both sides speak the same transport, else once for each (RFC 5658 section
// 3.1), that of the side to which the request goes on top.
func (p *Proxy) recordRoute(m *sip.Message, from transport.Protocol, to transport.Target) {
	if from != 0 && from != to.Protocol {
		m.Prepend(sip.RecordRoute, p.route(m, transport.Target{Protocol: from, Addr: to.Addr}))
	}
	m.Prepend(sip.RecordRoute, p.route(m, to))
}

func (p *Proxy) route(m *sip.Message, toward transport.Target) string {
	host, port := p.wire.SentBy(toward)
	u := sip.URI{Scheme: "sip", Host: host, Port: port, Params: ";lr"}
	if toward.Protocol != transport.UDP {
		u.Params = u.Params.With("transport", toward.Protocol.Param())
	}
	u.Params = u.Params.With(ticket, p.ticket(m))
	return "<" + u.String() + ">"
}

// strip takes out the credentials that were for this proxy (section 16.6 says that
// it may, section 22.3 for which realm), and the hop that the request has used up.
func (p *Proxy) strip(m *sip.Message) {
	m.Fields = slices.DeleteFunc(m.Fields, func(f sip.Field) bool {
		if f.Header != sip.ProxyAuthorization {
			return false
		}
		c, ok := parseCredentials(f.Value)
		return ok && c.realm == p.domain
	})
	left := 70 // When there was none (section 16.6 step 3).
	if n, err := strconv.Atoi(m.Get(sip.MaxForwards)); err == nil {
		left = n - 1
	}
	m.Set(sip.MaxForwards, strconv.Itoa(max(left, 0)))
}
