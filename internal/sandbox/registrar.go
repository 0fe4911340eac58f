package sandbox

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
)

// Bounds of a registration in seconds (RFC 3261 section 10.3).
const (
	minExpires = 10
	maxExpires = 3600
)

// Faults of the contacts in a REGISTER.
var (
	errBrief    = errors.New("registration shorter than " + strconv.Itoa(minExpires) + " s")
	errContact  = errors.New("a Contact is not a sip URI, or its expires is not a number")
	errWildcard = errors.New(`the Contact "*" must stand alone, with Expires: 0`)
	errPlace    = errors.New("a Contact is at an address to which this proxy does not relay")
)

// register is the registrar (RFC 3261 section 10.3).
func (p *Proxy) register(in *transaction.Incoming) {
	req := in.Msg
	uri, err := sip.ParseURI(req.RequestURI)
	if err != nil || !p.ours(uri) {
		p.refuse(in, 403, "Not The Registrar Of That Domain")
		return
	}
	if unknown := join(req, sip.Require); unknown != "" {
		p.refuse(in, 420, "", field(sip.Unsupported, unknown))
		return
	}
	user, ok := p.authenticate(in, 401)
	if !ok {
		return
	}
	to, err := req.To()
	if err != nil || userOf(to.URI) != user.Name || !p.ours(to.URI) {
		p.refuse(in, 403, "Not Your Address")
		return
	}
	now := time.Now()
	switch err := p.bind(user.Name, in, now); {
	case err == nil:
		p.registered(in, user.Name, now)
	case errors.Is(err, errBrief):
		p.refuse(in, 423, "", field(sip.MinExpires, strconv.Itoa(minExpires)))
	case errors.Is(err, errOrder):
		p.refuse(in, 500, "CSeq Is Not Higher")
	case errors.Is(err, errPlace):
		p.refuse(in, 403, "Contact Is Out Of Reach")
	default:
		p.refuse(in, 400, "", warning(err))
	}
}

var errOrder = errors.New("a later REGISTER of this Call-ID came before")

// bind does what the Contact fields ask for; without any it is a query.
func (p *Proxy) bind(user string, in *transaction.Incoming, now time.Time) error {
	req := in.Msg
	cseq, err := req.CSeq()
	if err != nil {
		return err
	}
	callID := strings.Clone(req.Get(sip.CallID))
	var changes []binding
	for v := range req.Values(sip.Contact) {
		if v == "*" {
			return p.unbind(user, req, callID, cseq.Seq)
		}
		b, err := p.contact(v, in, now)
		if err != nil {
			return err
		}
		b.callID, b.seq = callID, cseq.Seq
		if changes = append(changes, b); len(changes) > maxContacts {
			return errContact
		}
	}
	if !p.location.update(user, changes, now) {
		return errOrder
	}
	return nil
}

// unbind is Contact "*" (section 10.2.2).
func (p *Proxy) unbind(user string, req *sip.Message, callID string, seq uint32) error {
	n := 0
	for range req.Values(sip.Contact) {
		n++
	}
	if n != 1 || req.Get(sip.Expires) != "0" {
		return errWildcard
	}
	if !p.location.removeAll(user, callID, seq) {
		return errOrder
	}
	return nil
}

// contact reads one Contact value.
func (p *Proxy) contact(v string, in *transaction.Incoming, now time.Time) (binding, error) {
	a, err := sip.ParseNameAddr(strings.Clone(v))
	if err != nil || a.URI.Scheme != "sip" {
		return binding{}, errContact
	}
	seconds, err := expiresOf(a, in.Msg)
	if err != nil {
		return binding{}, err
	}
	a.URI.Headers = ""
	instance, _ := a.Params.Get("+sip.instance")
	b := binding{
		uri: a.URI, contact: a.URI.String(), flow: in.From.Target, instance: instance,
		expires: now.Add(time.Duration(seconds) * time.Second),
	}
	if p.ours(b.uri) {
		return binding{}, errPlace // It would call itself.
	}
	for _, t := range p.hops(b) {
		if !p.permitted(t) {
			return binding{}, errPlace
		}
	}
	return b, nil
}

// expiresOf is how long a contact is wanted for: its own parameter, else Expires,
// else the longest time.
func expiresOf(a sip.NameAddr, req *sip.Message) (uint64, error) {
	text, given := a.Params.Get("expires")
	if !given {
		text, given = req.Get(sip.Expires), req.Has(sip.Expires)
	}
	if !given {
		return maxExpires, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil:
		return 0, errContact
	case n > 0 && n < minExpires:
		return 0, errBrief
	default:
		return min(n, maxExpires), nil
	}
}

// registered answers with all contacts that there are now (section 10.3 step 8).
func (p *Proxy) registered(in *transaction.Incoming, user string, now time.Time) {
	resp := p.response(in.Msg, 200, "")
	for _, b := range p.location.lookup(user, now) {
		left := int(b.expires.Sub(now).Round(time.Second) / time.Second)
		resp.Add(sip.Contact, "<"+b.contact+">;expires="+strconv.Itoa(max(left, 1)))
	}
	in.Reply(resp)
}
