// Package dialog owns the dialogs of RFC 3261 sections 12 to 15: an INVITE with
// its challenges, forks and cancellation, the dialog that it makes, and the
// requests inside that dialog in both directions.
//
// It decides nothing about calls: a Session tells its User what came, in the order
// in which it came, and does what the User asks. It starts no goroutine, except
// one for a look-up of a host name, which ends with it.
package dialog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// resolveLimit is the longest time for a look-up of a next hop.
const resolveLimit = 10 * time.Second

// Resolver finds the next hops of a URI, best first (RFC 3263).
type Resolver interface {
	Numeric(u sip.URI) (transport.Target, bool)
	Resolve(ctx context.Context, u sip.URI) ([]transport.Target, error)
}

// Config is what a UA needs. All fields but Proxy, Domain and Outside are required.
type Config struct {
	Transport transaction.Transport
	Resolver  Resolver
	Wheel     *timing.Wheel
	Log       *slog.Logger
	UserAgent string // of requests and responses
	// Proxy is the outbound proxy: the next hop of every request outside a dialog.
	// With an empty Host the Request-URI is.
	Proxy sip.URI
	// Domain is the SIP domain whose hosts the Proxy knows: a remote target in it,
	// such as a GRUU (RFC 5627), is reached through the Proxy.
	Domain string
	// Allow has the methods that a Session's User takes inside a dialog.
	Allow []string
	// StrictSource takes what names a session of ours only from an address to which
	// that session sends. It shuts out phones and proxies that send from another.
	StrictSource bool
	// Outside gets each request outside any dialog and tells whether it answered;
	// nil for a UA that takes none.
	Outside func(in *transaction.Incoming) bool
}

// UA is a user agent: it makes sessions and hands them what comes for them.
type UA struct {
	config   Config
	allow    string
	layer    *transaction.Layer
	sessions sessions
	nonces   *digest.Cache
	strays   *quota
	proxyHop []transport.Target // of a Proxy that needs no look-up; shared, never changed

	resting     resting
	lastContact atomic.Pointer[string]
}

// New makes a UA. Its Receive must be made the handler of the transport.
func New(c Config) *UA {
	ua := &UA{config: c, allow: strings.Join(c.Allow, ", "), nonces: digest.NewCache(0), strays: newQuota()}
	ua.layer = transaction.New(c.Transport, c.Wheel, ua, c.Log)
	ua.sessions.init()
	if t, ok := c.Resolver.Numeric(c.Proxy); ok && c.Proxy.Host != "" {
		ua.proxyHop = []transport.Target{t}
	}
	return ua
}

// Receive takes one message from the transport. A response with a Via behind ours
// was made for somebody else and is discarded (RFC 3261 section 8.1.3.3).
func (ua *UA) Receive(m *sip.Message, from transport.Source) {
	if m.IsResponse() && several(m.Values(sip.Via)) {
		ua.config.Log.Debug("response with several Via values", "peer", from.Addr.String())
		return
	}
	if ua.foreign(m, from) {
		ua.config.Log.Debug("SIP message from a foreign address", "peer", from.Addr.String())
		return
	}
	ua.layer.Receive(m, from)
}

// Undelivered takes a datagram of ours that came back by ICMP: it is for
// transport.Config.
func (ua *UA) Undelivered(data []byte) { ua.layer.Undelivered(data) }

// several tells whether a list has more than one element.
func several(values iter.Seq[string]) bool {
	n := 0
	for range values {
		if n++; n > 1 {
			return true
		}
	}
	return false
}

// Stats tells what lives.
type Stats struct {
	Sessions     int
	Transactions transaction.Stats
}

// Stats gives the figures of the UA and its transactions.
func (ua *UA) Stats() Stats {
	return Stats{Sessions: ua.sessions.len(), Transactions: ua.layer.Stats()}
}

// hopOf is the URI by which a request to u is routed when there is no route set.
func (ua *UA) hopOf(u sip.URI, inDialog bool) sip.URI {
	if ua.config.Proxy.Host == "" {
		return u
	}
	if inDialog && !strings.EqualFold(u.Host, ua.config.Domain) {
		return u
	}
	return ua.config.Proxy
}

// resolve finds where u leads and calls then: at once for a numeric host, else
// from the goroutine of the look-up.
func (ua *UA) resolve(u sip.URI, then func([]transport.Target, error)) {
	if t, ok := ua.config.Resolver.Numeric(u); ok {
		hop := ua.proxyHop
		if len(hop) == 0 || hop[0] != t {
			hop = []transport.Target{t}
		}
		then(hop, nil)
		return
	}
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), resolveLimit)
		defer stop()
		targets, err := ua.config.Resolver.Resolve(ctx, u)
		if err == nil && len(targets) == 0 {
			err = errors.New("no address")
		}
		if err != nil {
			err = fmt.Errorf("%w: look up %s: %w", transaction.ErrTransport, u.Host, err)
		}
		then(targets, err)
	}()
}

// Request implements transaction.Handler.
func (ua *UA) Request(in *transaction.Incoming) {
	req := in.Msg
	tag := req.ToTag()
	if tag == "" {
		ua.outside(in)
		return
	}
	s, ok := ua.sessions.find(tag)
	if !ok || !s.owns(req) {
		if !ua.spared(in.From) {
			ua.reply(in, 481)
		}
		return
	}
	s.receive(in)
}

// Ack implements transaction.Handler: the ACK of a 2xx that a session sent.
func (ua *UA) Ack(req *sip.Message) {
	if s, ok := ua.sessions.find(req.ToTag()); ok && s.owns(req) {
		s.acked(req)
	}
}

// Orphan implements transaction.Handler: the From tag, which nobody can guess, tells
// the session, and the CSeq whether it is about its INVITE as sent last.
func (ua *UA) Orphan(resp *sip.Message) {
	s, ok := ua.sessions.find(resp.FromTag())
	if !ok || resp.Get(sip.CallID) != s.sipCallID {
		return
	}
	cseq, err := resp.CSeq()
	s.mu.Lock()
	ours := err == nil && cseq.Method == sip.INVITE && s.invited(cseq.Seq)
	var tx *transaction.Client
	lost := false
	if ours {
		tx, lost = s.setup.tx, s.setup.lost
	}
	stray := err == nil && cseq.Method == sip.INVITE && s.strayed(resp, cseq.Seq)
	s.mu.Unlock()
	switch {
	case stray:
		s.ackStray(cseq.Seq)
	case !ours:
	case lost && resp.Status >= 200 && resp.Status < 300:
		s.lateAnswer(resp)
	case tx != nil && !lost && !resp.Has(sip.Via):
		tx.Receive(resp)
	}
}

// outside answers what belongs to no dialog, without keeping state (rows U31, U32).
func (ua *UA) outside(in *transaction.Incoming) {
	if ua.config.Outside != nil && ua.config.Outside(in) || ua.spared(in.From) {
		return
	}
	status, fields := ua.generic(in.Msg)
	if ua.isOurs(in.Msg) {
		status = 482
	}
	if status == 0 {
		status = uninvited(in.Msg.Method)
	}
	ua.reply(in, status, fields...)
}

// isOurs tells a request of ours that has come back: somebody has forwarded the called
// user to us (section 8.2.2.2, row U43).
func (ua *UA) isOurs(req *sip.Message) bool {
	s, ok := ua.sessions.find(req.FromTag())
	return ok && s.sipCallID == req.Get(sip.CallID)
}

// uninvited is the answer to a method that is taken only inside a dialog of ours.
func uninvited(method string) int {
	if method == sip.INVITE || method == sip.REFER {
		return 403
	}
	return 481 // BYE and its like, and the NOTIFY of a subscription never made (RFC 6665 section 4.1.3).
}

// What bodies we understand.
const (
	understood = "application/sdp, message/sipfrag" // in any request
	sdpType    = "application/sdp"                  // in an INVITE or UPDATE
)

// generic is the answer to a request that needs no dialog and no User to be
// answered (RFC 3261 section 8.2); 0 when it is for the User.
func (ua *UA) generic(req *sip.Message) (status int, fields []sip.Field) {
	if status := ua.untaken(req.Method); status != 0 {
		return status, nil
	}
	if status, fields := unsupported(req); status != 0 {
		return status, fields
	}
	switch req.Method {
	case sip.OPTIONS:
		return 200, []sip.Field{field(sip.Accept, understood), field(sip.AcceptEncoding, "identity"), field(sip.Supported, "")}
	case sip.SUBSCRIBE:
		return 489, []sip.Field{field(sip.AllowEvents, "refer")} // Mandatory there, and never empty (RFC 6665 sections 8.2, 8.4).
	default:
		return 0, nil
	}
}

// untaken is the answer to a method that is never taken, 0 for the others (section
// 8.2.1).
func (ua *UA) untaken(method string) int {
	switch method {
	case sip.OPTIONS, sip.SUBSCRIBE:
		return 0
	case sip.INVITE, sip.BYE, sip.NOTIFY, sip.REFER, sip.INFO, sip.UPDATE, sip.PRACK, sip.MESSAGE, sip.PUBLISH, sip.REGISTER:
		if slices.Contains(ua.config.Allow, method) {
			return 0
		}
		if method == sip.REFER {
			return 603 // No phone gives orders here (RFC 3515 section 2.4.2).
		}
		return 405
	default:
		return 501
	}
}

// unsupported checks what the request requires and what bodies it has and accepts
// (sections 8.2.2.3, 8.2.3 and 21.4.7).
func unsupported(req *sip.Message) (status int, fields []sip.Field) {
	known := func(tag string) bool { return strings.EqualFold(tag, timerTag) }
	if unknown := slices.DeleteFunc(slices.Collect(req.Values(sip.Require)), known); len(unknown) > 0 {
		return 420, []sip.Field{field(sip.Unsupported, strings.Join(unknown, ", "))}
	}
	accept := field(sip.Accept, understood)
	if offers(req) {
		accept.Value = sdpType
	}
	switch e := req.Get(sip.ContentEncoding); {
	case e != "" && !strings.EqualFold(e, "identity"):
		return 415, []sip.Field{accept, field(sip.AcceptEncoding, "identity")}
	case !offers(req):
		return 0, nil
	case len(req.Body) > 0 && !req.ContentTypeIs(sdpType):
		return 415, []sip.Field{accept}
	case !acceptsSDP(req):
		return 406, []sip.Field{accept}
	}
	return 0, nil
}

// offers tells a method whose body is an offer.
func offers(req *sip.Message) bool { return req.Method == sip.INVITE || req.Method == sip.UPDATE }

// acceptsSDP tells whether an INVITE lets us answer with SDP, as it does without an
// Accept field (section 20.1).
func acceptsSDP(invite *sip.Message) bool {
	for v := range invite.Values(sip.Accept) {
		media, _, _ := strings.Cut(v, ";")
		switch strings.ToLower(strings.TrimRight(media, " \t")) {
		case sdpType, "application/*", "*/*":
			return true
		}
	}
	return !invite.Has(sip.Accept)
}

func field(h sip.Header, value string) sip.Field {
	return sip.Field{Header: h, Name: h.String(), Value: value}
}

// reply answers without state.
func (ua *UA) reply(in *transaction.Incoming, status int, fields ...sip.Field) {
	in.Reply(ua.response(in.Msg, status, in.Tag(), fields))
}

// response makes an answer of this UA to req.
func (ua *UA) response(req *sip.Message, status int, tag string, fields []sip.Field) *sip.Message {
	resp := sip.NewResponse(req, status, "", tag)
	resp.Fields = append(resp.Fields, fields...)
	resp.Add(sip.Allow, ua.allow)
	resp.Add(sip.Server, ua.config.UserAgent)
	return resp
}
