package dialog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"callcontroller/internal/sip"
)

// maxRoutes bounds a route set; a path through more proxies is a loop or an attack.
const maxRoutes = 32

// errNoContact tells of a 2xx to INVITE without the Contact that RFC 3261 section
// 12.1.1 asks for.
var errNoContact = errors.New("no Contact that can be read in the response that makes the dialog")

// Dialog is the state of RFC 3261 section 12: what a request inside it is made
// from. It is plain data; a Session guards it.
type Dialog struct {
	peer
	SIPCallID string
	LocalTag  LocalTag

	local, remote string   // From and To of our requests, tags included
	routes        []string // the route set, in the order in which it is sent
	target        string   // the remote target: the peer's Contact URI
	inviteSeq     uint32   // of our INVITE that made it, for the ACK
	localSeq      uint32
}

// peer is the other side of a dialog, and all that is kept of an early one: the
// rest comes with the 2xx.
type peer struct {
	RemoteTag RemoteTag
	remoteSeq uint32
	heard     bool // remoteSeq is set: a first request has come from the peer
	settled   bool // its offer was answered in a PRACK
}

// fromResponse makes the dialog that a response to an INVITE of ours creates
// (section 12.1.2). ours has what the INVITE said: Call-ID, From, and as target its
// Request-URI, which stands in, with errNoContact, when there is no usable Contact:
// the dialog is good enough to be ended.
func fromResponse(ours Dialog, resp *sip.Message) (*Dialog, error) {
	d := &ours
	d.RemoteTag = RemoteTag(strings.Clone(resp.ToTag()))
	d.remote = strings.Clone(resp.Get(sip.To))
	d.inviteSeq = seqOf(resp)
	d.localSeq = d.inviteSeq
	for r := range resp.Values(sip.RecordRoute) {
		if len(d.routes) == maxRoutes {
			return d, fmt.Errorf("more than %d Record-Route values", maxRoutes)
		}
		d.routes = append(d.routes, strings.Clone(r))
	}
	slices.Reverse(d.routes)
	contact, ok := resp.Contact()
	if !ok || !contact.URI.IsSIP() {
		return d, errNoContact
	}
	d.setTarget(contact.URI)
	return d, nil
}

// seqOf is the CSeq number of a message that has been found valid.
func seqOf(m *sip.Message) uint32 {
	cseq, _ := m.CSeq()
	return cseq.Seq
}

// fromRequest makes the dialog of an INVITE that came to us (section 12.1.1).
func fromRequest(req *sip.Message, tag LocalTag) (*Dialog, error) {
	d := &Dialog{
		peer:      peer{RemoteTag: RemoteTag(strings.Clone(req.FromTag())), heard: true},
		SIPCallID: strings.Clone(req.Get(sip.CallID)),
		LocalTag:  tag,
		local:     req.Get(sip.To) + ";tag=" + tag.String(),
		remote:    strings.Clone(req.Get(sip.From)),
	}
	cseq, err := req.CSeq()
	if err != nil {
		return nil, err
	}
	d.remoteSeq = cseq.Seq
	for r := range req.Values(sip.RecordRoute) {
		if len(d.routes) < maxRoutes {
			d.routes = append(d.routes, strings.Clone(r))
		}
	}
	contact, ok := req.Contact()
	if !ok || !contact.URI.IsSIP() {
		return nil, errNoContact
	}
	d.setTarget(contact.URI)
	return d, nil
}

// setTarget makes u the remote target. What a Request-URI may not hold (section
// 19.1.1, table 1) is left out.
func (d *Dialog) setTarget(u sip.URI) {
	u.Headers = ""
	d.target = u.String()
}

// follow takes over what was heard in the early dialog (nil for none) that d
// confirms: its CSeq numbers go on (section 13.2.2.4).
func (d *Dialog) follow(early *peer) {
	if early != nil {
		d.heard, d.remoteSeq = early.heard, early.remoteSeq
	}
}

// confirm takes over what went out in the early dialog that d confirms: our CSeq
// numbers go on.
func (d *Dialog) confirm(r *reliable) {
	if r != nil {
		d.localSeq, d.settled = r.dialog.localSeq, r.dialog.settled
	}
}

// Target is the remote target.
func (d *Dialog) Target() string { return d.target }

// request makes a request inside the dialog (section 12.2.1.1), with the next
// CSeq number, or with that of the INVITE for an ACK.
func (d *Dialog) request(method string) *sip.Message {
	if method != sip.ACK {
		d.localSeq++
	}
	return d.requestWith(method, d.localSeq)
}

func (d *Dialog) requestWith(method string, seq uint32) *sip.Message {
	req := sip.NewRequest(method, d.target)
	routes := d.routes
	if len(routes) > 0 && !loose(routes[0]) {
		// A strict router: it becomes the Request-URI, the remote target goes to the
		// end of the Route.
		req.RequestURI = strictURI(routes[0])
		routes = append(slices.Clone(routes[1:]), "<"+d.target+">")
	}
	for _, r := range routes {
		req.Add(sip.Route, r)
	}
	req.Add(sip.MaxForwards, "70")
	req.Add(sip.From, d.local)
	req.Add(sip.To, d.remote)
	req.Add(sip.CallID, d.SIPCallID)
	req.Add(sip.CSeq, strconv.FormatUint(uint64(seq), 10)+" "+method)
	return req
}

// nextHop is the URI to which requests go: the first route, else the remote target.
func (d *Dialog) nextHop() (sip.URI, error) {
	if len(d.routes) == 0 {
		return sip.ParseURI(d.target)
	}
	a, err := sip.ParseNameAddr(d.routes[0])
	return a.URI, err
}

func loose(route string) bool {
	a, err := sip.ParseNameAddr(route)
	return err == nil && a.URI.Params.Has("lr")
}

// strictURI is a route as Request-URI: without what is not allowed there.
func strictURI(route string) string {
	a, err := sip.ParseNameAddr(route)
	if err != nil {
		return route
	}
	a.URI.Headers = ""
	return a.URI.String()
}

// The verdicts of receive.
type order uint8

const (
	inOrder  order = iota
	repeated       // the same number again, in another transaction
	outOfOrder
)

// receive checks and takes the CSeq number of a request from the peer (section
// 12.2.2).
func (p *peer) receive(seq uint32) order {
	switch {
	case p.heard && seq < p.remoteSeq:
		return outOfOrder
	case p.heard && seq == p.remoteSeq:
		return repeated
	default:
		p.heard, p.remoteSeq = true, seq
		return inOrder
	}
}
