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

// Dialog is the state of RFC 3261 section 12: what a request inside it is made from,
// but for the Call-ID and the local tag, which the Session has. It is plain data; a
// Session guards it.
type Dialog struct {
	peer
	inviteSeq uint32 // of our INVITE that made it, for the ACK
	localSeq  uint32
	text      string // see parts
}

// peer is the other side of a dialog, and all that is kept of an early one: the
// rest comes with the 2xx.
type peer struct {
	RemoteTag RemoteTag
	remoteSeq uint32
	heard     bool // remoteSeq is set: a first request has come from the peer
	settled   bool // its offer was answered in a PRACK
}

// set takes new texts. RemoteTag is one of them.
func (d *Dialog) set(p parts, tag string) {
	d.text = p.freeze()
	d.RemoteTag = RemoteTag(within(d.text, tag))
}

// fromResponse makes the dialog that a response to an INVITE of ours creates
// (section 12.1.2). o is what the INVITE was made from. Its Request-URI stands in as
// target, with errNoContact, when there is no usable Contact: the dialog is good enough
// to be ended.
func fromResponse(o Outgoing, resp *sip.Message) (*Dialog, error) {
	d := &Dialog{inviteSeq: seqOf(resp), localSeq: seqOf(resp)}
	p := parts{remote: resp.Get(sip.To), target: o.Target.String()}
	if rest, ok := strings.CutPrefix(p.remote, o.To.String()); ok && isParams(rest) {
		p.remote = rest
	}
	err := p.answered(resp)
	d.set(p, resp.ToTag())
	return d, err
}

// answered takes the route set and the remote target.
func (p *parts) answered(resp *sip.Message) error {
	p.routes = slices.Collect(resp.Values(sip.RecordRoute))
	slices.Reverse(p.routes)
	if len(p.routes) > maxRoutes {
		p.routes = p.routes[:maxRoutes]
		return fmt.Errorf("more than %d Record-Route values", maxRoutes)
	}
	contact, ok := resp.Contact()
	if !ok || !contact.URI.IsSIP() {
		return errNoContact
	}
	p.target = targetOf(contact.URI)
	return nil
}

// seqOf is the CSeq number of a message that has been found valid.
func seqOf(m *sip.Message) uint32 {
	cseq, _ := m.CSeq()
	return cseq.Seq
}

// fromRequest makes the dialog of an INVITE that came to us (section 12.1.1).
func fromRequest(req *sip.Message, tag LocalTag) (*Dialog, error) {
	cseq, err := req.CSeq()
	if err != nil {
		return nil, err
	}
	contact, ok := req.Contact()
	if !ok || !contact.URI.IsSIP() {
		return nil, errNoContact
	}
	p := parts{local: req.Get(sip.To) + ";tag=" + tag.String(), remote: req.Get(sip.From), target: targetOf(contact.URI)}
	for r := range req.Values(sip.RecordRoute) {
		if len(p.routes) < maxRoutes {
			p.routes = append(p.routes, r)
		}
	}
	d := &Dialog{peer: peer{heard: true, remoteSeq: cseq.Seq}}
	d.set(p, req.FromTag())
	return d, nil
}

// parts gives the texts of a dialog of the session.
func (s *Session) parts(d *Dialog) parts {
	p := thaw(d.text)
	if p.local != "" {
		return p
	}
	o := s.describe()
	p.local = s.from(o)
	if isParams(p.remote) {
		p.remote = o.To.String() + p.remote
	}
	return p
}

// isParams tells parameters of a To, or none, from a whole To.
func isParams(text string) bool { return text == "" || text[0] == ';' }

// request makes a request inside a dialog with that CSeq number.
func (s *Session) request(d *Dialog, method string, seq uint32) *sip.Message {
	req := s.parts(d).request(method)
	req.Add(sip.CallID, s.sipCallID)
	req.Add(sip.CSeq, strconv.FormatUint(uint64(seq), 10)+" "+method)
	return req
}

// routed tells whether requests pass a proxy.
func (d *Dialog) routed() bool { return len(thaw(d.text).routes) > 0 }

// retarget makes u the remote target, and tells whether it was another one.
func (d *Dialog) retarget(u sip.URI) bool {
	p, target := thaw(d.text), targetOf(u)
	if p.target == target {
		return false
	}
	p.target = target
	d.set(p, string(d.RemoteTag))
	return true
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
