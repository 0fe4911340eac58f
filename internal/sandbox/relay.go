package sandbox

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// stateless starts our branches of requests that are relayed without state.
const stateless = sip.MagicCookie + "-sl-"

// forward makes the request to a contact, without Via (section 16.6).
func (p *Proxy) forward(req *sip.Message, b binding) *sip.Message {
	m := req.Clone()
	_, rest := p.takeRoutes(m)
	setRoutes(m, rest)
	m.RequestURI = b.contact
	p.strip(m)
	switch req.Method {
	case sip.INVITE, sip.SUBSCRIBE, sip.REFER:
		via, err := req.Via()
		from, _ := transport.ParseProtocol(via.Transport)
		if err == nil {
			p.recordRoute(m, from, p.hops(b)[0])
		}
	default:
	}
	return m
}

// relayInside relays a request of a dialog by its Route and Request-URI. in is nil
// for an ACK or CANCEL, which is not refused.
func (p *Proxy) relayInside(in *transaction.Incoming, req *sip.Message, from transport.Target) {
	req = p.unstrict(req)
	known, routes := p.takeRoutes(req)
	switch {
	case !known:
		p.answer(in, 481, "Not A Dialog Of This Proxy")
		return
	case req.Get(sip.MaxForwards) == "0":
		p.answer(in, 483, "")
		return
	}
	m := req.Clone()
	setRoutes(m, routes)
	p.strip(m)
	next, err := nextHop(m)
	if err != nil {
		p.answer(in, 400, "")
		return
	}
	hops, uri := p.way(next)
	if len(hops) == 0 {
		p.answer(in, 403, "Out Of Reach")
		return
	}
	if uri != "" && len(routes) == 0 {
		m.RequestURI = uri
	}
	p.relay(in, m, from, hops)
}

func (p *Proxy) answer(in *transaction.Incoming, status int, phrase string) {
	if in != nil {
		p.refuse(in, status, phrase)
	}
}

// nextHop is the first Route, else the Request-URI. Towards a strict router the two
// change places (section 16.6 step 6).
func nextHop(m *sip.Message) (sip.URI, error) {
	routes := slices.Collect(m.Values(sip.Route))
	if len(routes) == 0 {
		return sip.ParseURI(m.RequestURI)
	}
	first, err := sip.ParseNameAddr(routes[0])
	if err != nil || first.URI.Params.Has("lr") {
		return first.URI, err
	}
	setRoutes(m, append(routes[1:], "<"+m.RequestURI+">"))
	first.URI.Headers = ""
	m.RequestURI = first.URI.String()
	return first.URI, nil
}

// relayCancel relays the CANCEL of a re-INVITE, which was relayed without state.
// Any other is for a transaction (section 9.2).
func (p *Proxy) relayCancel(m *sip.Message, from transport.Source) bool {
	if m.Validate() != nil || m.ToTag() == "" || !p.known(m) {
		return false
	}
	p.relayInside(nil, m, from.Target)
	return true
}

// relay sends m, which came from there, on to the first of hops that takes it. in is
// nil where nobody is to be told that none did.
func (p *Proxy) relay(in *transaction.Incoming, m *sip.Message, from transport.Target, hops []transport.Target) {
	branch, err := p.branch(m)
	if err != nil {
		p.answer(in, 400, "")
		return
	}
	remember(m, from)
	m.Prepend(sip.Via, "")
	d := &delivery{proxy: p, in: in, msg: m, branch: branch, hops: hops}
	d.next(nil)
}

// delivery is a request on its way to one of several hops.
type delivery struct {
	proxy  *Proxy
	in     *transaction.Incoming
	msg    *sip.Message
	branch string
	hops   []transport.Target
}

// next tries the next hop after one that failed.
func (d *delivery) next(err error) {
	for len(d.hops) > 0 {
		t := d.hops[0]
		d.hops = d.hops[1:]
		host, port := d.proxy.wire.SentBy(t)
		d.msg.SetTopVia(sip.ViaValue{
			Transport: t.Protocol.String(), Host: host, Port: port, Params: sip.Params(";branch=" + d.branch),
		})
		if err = d.proxy.wire.Send(t, d.msg.Bytes(), d); err == nil {
			return
		}
	}
	d.proxy.log.Debug("request not relayed", "method", d.msg.Method, "error", err)
	d.proxy.answer(d.in, 480, "No Way To The Phone")
}

// SendFailed implements transport.Sender.
func (d *delivery) SendFailed(err error) {
	if !errors.Is(err, transport.ErrClosed) {
		d.next(err)
	}
}

// branch is that of a request relayed without state (section 16.11): the same for
// its retransmissions, its CANCEL and the ACK of its refusal, made from the branch
// that it came with. It is keyed, and made only from what a response brings back,
// so that relayResponse knows it again.
func (p *Proxy) branch(m *sip.Message) (string, error) {
	via, err := m.Via()
	if err != nil {
		return "", err
	}
	cseq, err := m.CSeq()
	if err != nil {
		return "", err
	}
	parts := []string{via.Host, strconv.Itoa(via.Port), via.Branch()}
	if !strings.HasPrefix(via.Branch(), sip.MagicCookie) {
		parts = append(parts, m.FromTag(), m.Get(sip.CallID), strconv.Itoa(int(cseq.Seq)))
	}
	mac := p.mac("branch", parts...)
	return stateless + hex.EncodeToString(mac[:12]), nil
}

// remember notes in the sender's Via where the request came from, even where it did
// not ask for that by rport (RFC 3581): the response finds its way by nothing else.
func remember(m *sip.Message, from transport.Target) {
	via, err := m.Via()
	if err != nil || !from.Addr.IsValid() {
		return
	}
	via.Params = via.Params.With("received", from.Addr.Addr().WithZone("").String())
	via.Params = via.Params.With("rport", strconv.Itoa(int(from.Addr.Port())))
	m.SetTopVia(via)
}

// relayResponse sends a response back along its Via, when the Via on top is ours of
// a request that was relayed without state (section 16.11). Only a response to what
// passed here can bear that branch, so nobody can use it to send elsewhere.
func (p *Proxy) relayResponse(resp *sip.Message) bool {
	top, err := resp.Via()
	if err != nil || !strings.HasPrefix(top.Branch(), stateless) {
		return false
	}
	m := resp.Clone()
	popVia(m)
	want, err := p.branch(m)
	if err != nil || want != top.Branch() || resp.Validate() != nil {
		return true // Forged or broken: dropped.
	}
	via, err := m.Via()
	if err != nil {
		return true
	}
	t, ok := backwards(via)
	if !ok || !p.permitted(t) {
		return true
	}
	if err := p.wire.Send(t, m.Bytes(), nil); err != nil {
		p.log.Debug("response not relayed", "peer", t, "error", err)
	}
	return true
}

// popVia takes the topmost Via value out.
func popVia(m *sip.Message) {
	vias := slices.Collect(m.Values(sip.Via))
	m.Remove(sip.Via)
	for _, v := range slices.Backward(vias[min(1, len(vias)):]) {
		m.Prepend(sip.Via, v)
	}
}

// backwards is where a response with that Via on top goes (section 18.2.2, RFC 3581
// section 4).
func backwards(v sip.ViaValue) (transport.Target, bool) {
	protocol, ok := transport.ParseProtocol(v.Transport)
	host := v.Host
	if received, given := v.Params.Get("received"); given {
		host = received
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	port := v.Port
	if port == 0 {
		port = int(protocol.DefaultPort())
	}
	if text, _ := v.Params.Get("rport"); text != "" {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
			port = int(n)
		}
	}
	return transport.Target{Protocol: protocol, Addr: netip.AddrPortFrom(a.Unmap(), uint16(port))}, ok && err == nil
}
