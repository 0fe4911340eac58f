package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// product is what Server and User-Agent say.
const product = "callcontroller-sandbox"

// User is an account of the domain.
type User struct {
	Name     string // the user part of the address, and the digest username
	Password secret.Text
	// Trusted lets the account put any user into From, as a call controller does
	// that calls in the name of others.
	Trusted bool
}

// ProxyOptions are what a Proxy needs. Domain, Users and Wheel are required.
type ProxyOptions struct {
	// Domain is the SIP domain and the digest realm. It is never looked up.
	Domain string
	Users  []User
	Wheel  *timing.Wheel
	// Listen is HOST:PORT for UDP and TCP alike; port 0 picks one that is free for
	// both. Default 127.0.0.1:0.
	Listen string
	// Networks are those to which anything may be relayed. Default: loopback.
	Networks []netip.Prefix
	// Algorithms of the challenges, best first: MD5, SHA-256. Default: MD5 alone,
	// since phones were seen (baresip 1.0.0) that give up at the sight of another.
	Algorithms []string
	// MaxCalls bounds the INVITEs that have no final response or no ACK yet.
	// Default 16384.
	MaxCalls int
	// Trace is told of every message, before it is worked on or leaves. It is
	// called by several goroutines, and must be quick.
	Trace func(Traced)
	Net   transport.Net // default: the system's
	Log   *slog.Logger  // default: nothing is logged
}

func (o ProxyOptions) withDefaults() ProxyOptions {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Networks == nil {
		o.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if o.Algorithms == nil {
		o.Algorithms = []string{algorithmMD5}
	}
	if o.MaxCalls <= 0 {
		o.MaxCalls = 16384
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Proxy is a registrar and proxy for one domain. Use NewProxy.
//
// An INVITE that begins a call is proxied with its transactions (RFC 3261 section
// 16.2 to 16.10), since only so can it ring at several contacts and stop ringing
// there. Everything else passes without state (section 16.11).
type Proxy struct {
	domain     string
	users      map[string]User
	networks   []netip.Prefix
	algorithms []string
	addr       netip.AddrPort
	local      []netip.Addr // of this machine, when addr is a wildcard
	key        [32]byte     // of all keyed hashes
	wire       wire
	layer      *transaction.Layer
	wheel      *timing.Wheel
	location   location
	calls      calls
	log        *slog.Logger
}

// NewProxy opens the sockets and serves them until Close. ctx bounds only the call
// itself.
func NewProxy(ctx context.Context, o ProxyOptions) (*Proxy, error) {
	o = o.withDefaults()
	p := &Proxy{
		domain: strings.ToLower(o.Domain), users: make(map[string]User), networks: o.Networks,
		algorithms: o.Algorithms, wheel: o.Wheel, log: o.Log,
	}
	for _, u := range o.Users {
		p.users[u.Name] = u
	}
	rand.Read(p.key[:]) // It never fails: crypto/rand ends the program instead.
	p.calls.limit = o.MaxCalls
	if err := p.open(ctx, o); err != nil {
		return nil, err
	}
	return p, nil
}

// open opens the sockets. A free port is looked for several times, since one that
// is free for TCP may be taken for UDP.
func (p *Proxy) open(ctx context.Context, o ProxyOptions) error {
	const tries = 16
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("address %q of the sandbox is not HOST:PORT: %w", o.Listen, err)
	}
	for range tries {
		if err = p.listen(ctx, o, host, port); err == nil || port != "0" {
			break
		}
	}
	return err
}

// listen makes a transport with UDP and TCP on the same port.
func (p *Proxy) listen(ctx context.Context, o ProxyOptions, host, port string) (err error) {
	ready := make(chan struct{})
	p.wire.trace, p.wire.who = o.Trace, p.location.who
	p.wire.Layer = transport.New(transport.Config{Net: o.Net, Log: o.Log}, func(m *sip.Message, from transport.Source) {
		<-ready // What comes before the address is known waits for it.
		p.receive(m, from)
	})
	p.layer = transaction.New(&p.wire, o.Wheel, p, o.Log)
	defer func() {
		close(ready)
		if err != nil {
			err = errors.Join(err, p.wire.Close())
		}
	}()
	if p.addr, err = p.wire.Listen(ctx, transport.TCP, net.JoinHostPort(host, port)); err != nil {
		return err
	}
	port = strconv.Itoa(int(p.addr.Port()))
	if _, err = p.wire.Listen(ctx, transport.UDP, net.JoinHostPort(host, port)); err != nil {
		return err
	}
	if p.addr.Addr().IsUnspecified() {
		p.local, err = localAddrs()
	}
	return err
}

func localAddrs() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var local []netip.Addr
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			local = append(local, prefix.Addr().Unmap())
		}
	}
	return local, nil
}

// Close closes the sockets and waits for their goroutines.
func (p *Proxy) Close() error { return p.wire.Close() }

// Addr is the address of the sockets, UDP and TCP.
func (p *Proxy) Addr() netip.AddrPort { return p.addr }

// Domain is the SIP domain.
func (p *Proxy) Domain() string { return p.domain }

// Registered gives the contacts of a user that have not expired, the one
// registered last first.
func (p *Proxy) Registered(user string) []string {
	var uris []string
	for _, b := range p.location.lookup(user, time.Now()) {
		uris = append(uris, b.contact)
	}
	return uris
}

// Calls is the number of INVITEs that have no final response or no ACK yet.
func (p *Proxy) Calls() int { return p.calls.len() }

// receive takes a message from the transport: a response to what was relayed
// without state goes its way, anything else has or gets a transaction.
func (p *Proxy) receive(m *sip.Message, from transport.Source) {
	p.wire.received(m, from)
	if m.IsResponse() && p.relayResponse(m) {
		return
	}
	if m.Method == sip.CANCEL && p.relayCancel(m, from) {
		return
	}
	p.layer.Receive(m, from)
}

// Request implements transaction.Handler.
func (p *Proxy) Request(in *transaction.Incoming) {
	req := in.Msg
	switch {
	case req.ToTag() != "":
		p.inside(in)
	case req.Method == sip.REGISTER:
		p.register(in)
	default:
		p.outside(in)
	}
}

// Ack implements transaction.Handler: the ACK of a 2xx goes its way; that of a
// refusal of ours, which kept no transaction, has done its work.
func (p *Proxy) Ack(req *sip.Message) {
	if req.ToTag() == p.tag(req) {
		return
	}
	p.calls.acked(callOf(req))
	p.relayInside(nil, req, transport.Target{})
}

// Orphan implements transaction.Handler: without Via there is no way.
func (p *Proxy) Orphan(*sip.Message) {}

// outside takes a request that belongs to no dialog (section 16.3 to 16.5).
func (p *Proxy) outside(in *transaction.Incoming) {
	uri, ok := p.admit(in)
	if !ok {
		return
	}
	name := userOf(uri)
	if _, known := p.users[name]; !known {
		p.refuse(in, 404, "")
		return
	}
	contacts := p.location.lookup(name, time.Now())
	switch {
	case len(contacts) == 0:
		p.refuse(in, 480, "")
	case in.Msg.Method == sip.INVITE:
		p.invite(in, name, contacts)
	default:
		// Without state there can be one target only (section 16.11).
		p.relay(in, p.forward(in.Msg, contacts[0]), in.From.Target, p.hops(contacts[0]))
	}
}

// admit checks what a request must be to get anywhere. ok is false when it was
// answered.
func (p *Proxy) admit(in *transaction.Incoming) (uri sip.URI, ok bool) {
	req := in.Msg
	uri, err := sip.ParseURI(req.RequestURI)
	switch {
	case err != nil || !uri.IsSIP():
		p.refuse(in, 416, "")
	case req.Get(sip.MaxForwards) == "0":
		p.refuse(in, 483, "")
	case req.Method == sip.OPTIONS && p.ours(uri) && uri.User == "":
		in.Reply(p.response(req, 200, ""))
	case slices.Contains([]string{sip.BYE, sip.PRACK, sip.UPDATE, sip.INFO}, req.Method):
		p.refuse(in, 481, "")
	case req.Has(sip.ProxyRequire):
		p.refuse(in, 420, "", field(sip.Unsupported, join(req, sip.ProxyRequire)))
	default:
		return uri, p.allowed(in) && p.reachable(in, uri)
	}
	return sip.URI{}, false
}

// allowed tells whether the sender is a user of the domain and who From says.
func (p *Proxy) allowed(in *transaction.Incoming) bool {
	user, ok := p.authenticate(in, 407)
	if !ok {
		return false
	}
	from, err := in.Msg.From()
	if user.Trusted || err == nil && userOf(from.URI) == user.Name && p.ours(from.URI) {
		return true
	}
	p.refuse(in, 403, "From Is Not The Authenticated User")
	return false
}

// reachable refuses what this proxy would have to relay elsewhere: it knows the
// users of its domain and nobody else.
func (p *Proxy) reachable(in *transaction.Incoming, uri sip.URI) bool {
	if _, rest := p.takeRoutes(in.Msg); len(rest) > 0 || !p.ours(uri) {
		p.refuse(in, 403, "Only Users Of "+p.domain)
		return false
	}
	if uri.User == "" {
		p.refuse(in, 484, "")
		return false
	}
	return true
}

// inside takes a request of a dialog.
func (p *Proxy) inside(in *transaction.Incoming) {
	// As in real life, a REFER has to be paid for: somebody's phone will dial.
	if in.Msg.Method == sip.REFER && p.known(in.Msg) && !p.allowed(in) {
		return
	}
	p.relayInside(in, in.Msg, in.From.Target)
}

// refuse answers without state. An empty phrase stands for the usual one.
func (p *Proxy) refuse(in *transaction.Incoming, status int, phrase string, fields ...sip.Field) {
	in.Reply(p.response(in.Msg, status, phrase, fields...))
}

func (p *Proxy) response(req *sip.Message, status int, phrase string, fields ...sip.Field) *sip.Message {
	resp := sip.NewResponse(req, status, phrase, p.tag(req))
	resp.Fields = append(resp.Fields, fields...)
	resp.Add(sip.Server, product)
	return resp
}

// tag is our To tag for a request: the same for its retransmissions, as a UAS
// without state needs it (section 8.2.7), and known again in the ACK.
func (p *Proxy) tag(req *sip.Message) string {
	cseq, err := req.CSeq()
	if err != nil {
		return sip.NewTag()
	}
	mac := p.mac("tag", req.Get(sip.CallID), req.FromTag(), strconv.FormatUint(uint64(cseq.Seq), 10))
	return hex.EncodeToString(mac[:8])
}

// userOf is the user name in a URI, without escapes and password.
func userOf(u sip.URI) string {
	name, _, _ := strings.Cut(u.User, ":")
	return sip.Unescape(name)
}

func field(h sip.Header, value string) sip.Field {
	return sip.Field{Header: h, Name: h.String(), Value: value}
}

// warning tells in plain words what is wrong (section 20.43).
func warning(err error) sip.Field {
	return field(sip.Warning, "399 "+product+" "+sip.Quote(err.Error()))
}

// join gives the values of a list field as one.
func join(m *sip.Message, h sip.Header) string {
	var b strings.Builder
	for v := range m.Values(h) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v)
	}
	return b.String()
}

func statusLine(status int, phrase string) string {
	return strings.TrimSpace(fmt.Sprintf("%s %d %s", sip.Version, status, phrase))
}
