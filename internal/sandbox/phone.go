package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/media"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// Behaviour is what a phone does when it is called.
type Behaviour uint8

// The behaviours.
const (
	Answers  Behaviour = iota // rings, and answers after PhoneOptions.After
	Busy                      // 486 at once
	Declines                  // rings, and refuses with 603 after PhoneOptions.After
	Silent                    // rings and is never answered
)

// maxCalls bounds the calls of one phone; a further one finds it busy.
const maxCalls = 8

// PhoneOptions are what a Phone needs. User, Password, Domain, Proxy and Wheel are
// required.
type PhoneOptions struct {
	User     string
	Password secret.Text
	Domain   string
	Proxy    netip.AddrPort
	Wheel    *timing.Wheel

	Protocol  transport.Protocol // UDP or TCP; default UDP
	Behaviour Behaviour
	// After is how long it rings before Answers or Declines; 0 is not at all.
	After time.Duration
	// Talk is how long a call that the phone placed lasts until it hangs up; 0 is
	// for ever.
	Talk time.Duration
	// RefuseRefer is the status that answers a REFER; 0 lets the phone follow it.
	RefuseRefer int
	// Expires is the time of a registration; default 5 min.
	Expires time.Duration
	// Event is told in plain words what the phone does, for people to read. It is
	// called by several goroutines, and must be quick. Default: nobody is told.
	Event   func(line string)
	Product string        // User-Agent; default names the sandbox
	Net     transport.Net // default: the system's
	Log     *slog.Logger  // default: nothing is logged
}

func (o PhoneOptions) withDefaults() PhoneOptions {
	if o.Protocol == 0 {
		o.Protocol = transport.UDP
	}
	if o.Expires < time.Second {
		o.Expires = 5 * time.Minute
	}
	if o.Event == nil {
		o.Event = func(string) {}
	}
	if o.Product == "" {
		o.Product = product + "-phone"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Phone is a simulated phone. Use NewPhone. Its media goes nowhere: it names a port
// that swallows what comes.
type Phone struct {
	o            PhoneOptions
	proxy        transport.Target
	transport    *transport.Layer
	ua           *dialog.UA
	registration *registration
	sink         *media.Sink

	mu     sync.Mutex
	closed bool
	calls  []*phoneCall
}

// numericOnly finds next hops without asking the DNS: a phone of the sandbox knows
// its proxy, and nothing else.
type numericOnly struct{ transport.Resolver }

var errName = errors.New("the sandbox looks up no names")

func (*numericOnly) Resolve(context.Context, sip.URI) ([]transport.Target, error) {
	return nil, errName
}

// NewPhone opens the phone's socket on the address of the proxy, so that it is
// reachable from there, and waits for calls until Close. ctx bounds only the call
// itself. It is not registered yet.
func NewPhone(ctx context.Context, o PhoneOptions) (*Phone, error) {
	o = o.withDefaults()
	p := &Phone{o: o, proxy: transport.Target{Protocol: o.Protocol, Addr: o.Proxy}}
	p.transport = transport.New(transport.Config{Net: o.Net, Log: o.Log}, p.receive)
	p.ua = dialog.New(dialog.Config{
		Transport: p.transport, Resolver: &numericOnly{}, Wheel: o.Wheel, Log: o.Log, UserAgent: o.Product,
		Proxy: p.proxyURI(), Domain: o.Domain, Outside: p.outside,
		Allow: []string{sip.INVITE, sip.ACK, sip.BYE, sip.CANCEL, sip.OPTIONS, sip.REFER, sip.NOTIFY},
	})
	p.registration = newRegistration(p)
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("phone %s: %w", o.User, err), p.Close())
	}
	return p, nil
}

func (p *Phone) open(ctx context.Context) error {
	sink, err := media.Open(ctx, 0)
	if err != nil {
		return err
	}
	p.sink = sink
	_, err = p.transport.Listen(ctx, p.o.Protocol, netip.AddrPortFrom(p.o.Proxy.Addr(), 0).String())
	return err
}

func (p *Phone) proxyURI() sip.URI {
	u := sip.URI{Scheme: "sip", Host: sip.FormatHost(p.o.Proxy.Addr()), Port: int(p.o.Proxy.Port())}
	if p.o.Protocol != transport.UDP {
		u.Params = u.Params.With("transport", p.o.Protocol.Param())
	}
	return u
}

// address is the address of record.
func (p *Phone) address() sip.URI {
	return sip.URI{Scheme: "sip", User: sip.EscapeUser(p.o.User), Host: p.o.Domain}
}

func (p *Phone) registrar() string { return "sip:" + p.o.Domain }

// contact is the URI that the phone registers.
func (p *Phone) contact() string {
	host, port := p.transport.SentBy(p.proxy)
	u := sip.URI{Scheme: "sip", User: sip.EscapeUser(p.o.User), Host: host, Port: port}
	if p.o.Protocol != transport.UDP {
		u.Params = u.Params.With("transport", p.o.Protocol.Param())
	}
	return u.String()
}

func (p *Phone) credentials() *digest.Credentials {
	return &digest.Credentials{Username: p.o.User, Password: p.o.Password, Realm: p.o.Domain}
}

// User is the name of the phone's account.
func (p *Phone) User() string { return p.o.User }

// Register registers the phone and waits for the outcome. From then on it stays
// registered, and tries again after a failure, until Close. Call it once.
func (p *Phone) Register(ctx context.Context) error {
	first := p.registration.first
	p.registration.start()
	select {
	case err := <-first:
		if err == nil {
			p.sayf("is registered")
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("register %s: %w", p.o.User, ctx.Err())
	}
}

// Close closes the phone at once, without a word to anybody, as pulling its plug
// does.
func (p *Phone) Close() error {
	p.mu.Lock()
	p.closed = true
	calls := slices.Clone(p.calls)
	p.mu.Unlock()
	err := p.transport.Close()
	p.registration.stop()
	for _, c := range calls {
		p.o.Wheel.Stop(&c.timer)
	}
	if p.sink != nil {
		err = errors.Join(err, p.sink.Close())
	}
	return err
}

func (p *Phone) sayf(format string, args ...any) {
	p.o.Event(p.o.User + " " + fmt.Sprintf(format, args...))
}

// receive takes a message from the transport.
func (p *Phone) receive(m *sip.Message, from transport.Source) {
	if m.IsResponse() && m.Has(sip.Via) && strings.HasSuffix(m.Get(sip.CSeq), " "+sip.REGISTER) {
		p.registration.layer.Receive(m, from)
		return
	}
	p.ua.Receive(m, from)
}

// outside is dialog.Config.Outside: only a call is of interest.
func (p *Phone) outside(in *transaction.Incoming) bool {
	if in.Msg.Method != sip.INVITE {
		return false
	}
	c := p.newCall(nil)
	i := p.ua.Accept(in, dialog.Incoming{ContactUser: p.o.User, Account: p.credentials()}, c)
	if i == nil {
		return true
	}
	from, err := in.Msg.From() // It was valid when the request came.
	if err != nil {
		i.Reject(400)
		return true
	}
	if p.o.Behaviour == Busy || !p.add(c) {
		p.sayf("is busy: call from %s", from.URI)
		i.Reject(486)
		return true
	}
	c.ring(i, from)
	return true
}

// add notes a call; false when there are too many.
func (p *Phone) add(c *phoneCall) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.calls) >= maxCalls {
		return false
	}
	p.calls = append(p.calls, c)
	return true
}

func (p *Phone) remove(c *phoneCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = slices.DeleteFunc(p.calls, func(other *phoneCall) bool { return other == c })
}

func (p *Phone) all() []*phoneCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Calls is what the phone's display would show, in the order in which the calls
// came.
func (p *Phone) Calls() []Call {
	var shown []Call
	for _, c := range p.all() {
		shown = append(shown, c.show())
	}
	return shown
}

// Dial calls a SIP URI, which goes through the proxy.
func (p *Phone) Dial(uri string) error {
	u, err := sip.ParseURI(uri)
	if err != nil {
		return fmt.Errorf("dial from %s: %w", p.o.User, err)
	}
	return p.dial(u, nil, nil)
}

var errTooManyCalls = fmt.Errorf("the phone has %d calls already", maxCalls)

// dial places a call; report is told how it goes, nil for none.
func (p *Phone) dial(target sip.URI, fields []sip.Field, report *subscription) error {
	c := p.newCall(report)
	c.peer, c.placed, c.state = target.String(), true, Calling
	c.outgoing = dialog.Outgoing{
		Target: target, From: sip.NameAddr{URI: p.address()}, To: sip.NameAddr{URI: target}, ContactUser: p.o.User,
		Fields: fields, ContentType: sdpType, Body: c.offer,
	}
	if !p.add(c) {
		return errTooManyCalls
	}
	p.sayf("calls %s", target)
	c.took(p.ua.Invite(dialog.NewName(), p.credentials(), c))
	return nil
}

// HangUp ends all calls of the phone.
func (p *Phone) HangUp() {
	for _, c := range p.all() {
		c.hangUp()
	}
}
