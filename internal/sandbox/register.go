package sandbox

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// retryAfter is how long a phone waits after a registration that failed.
const retryAfter = 30 * time.Second

// registration keeps a phone registered (RFC 3261 section 10.2). It has a
// transaction layer of its own, since REGISTER belongs to no dialog.
type registration struct {
	phone  *Phone
	layer  *transaction.Layer
	nonces *digest.Cache
	callID string
	from   string

	mu      sync.Mutex
	seq     uint32
	attempt *digest.Attempt
	first   chan error // told of the first outcome, then nil
	refresh timing.Timer
}

func newRegistration(p *Phone) *registration {
	r := &registration{
		phone: p, nonces: digest.NewCache(1), callID: sip.NewCallID(), first: make(chan error, 1),
		from: "<" + p.address().String() + ">;tag=" + sip.NewTag(),
	}
	r.layer = transaction.New(p.transport, p.o.Wheel, requestless{}, p.o.Log)
	return r
}

// requestless is the handler of a layer that is given responses only.
type requestless struct{}

func (requestless) Request(*transaction.Incoming) {}
func (requestless) Ack(*sip.Message)              {}
func (requestless) Orphan(*sip.Message)           {}

// start registers anew, with credentials at once where the proxy is known.
func (r *registration) start() {
	r.mu.Lock()
	r.attempt = r.nonces.NewAttempt(*r.phone.credentials(), r.phone.proxy.Addr.String())
	fields := r.attempt.Preemptive(sip.REGISTER, r.phone.registrar())
	r.mu.Unlock()
	r.send(fields)
}

// Fired implements timing.Owner.
func (r *registration) Fired(uint8) { r.start() }

func (r *registration) send(credentials []digest.Field) {
	p := r.phone
	r.mu.Lock()
	r.seq++
	seq := r.seq
	r.mu.Unlock()
	req := sip.NewRequest(sip.REGISTER, p.registrar())
	req.Add(sip.MaxForwards, "70")
	req.Add(sip.From, r.from)
	req.Add(sip.To, "<"+p.address().String()+">")
	req.Add(sip.CallID, r.callID)
	req.Add(sip.CSeq, strconv.FormatUint(uint64(seq), 10)+" "+sip.REGISTER)
	req.Add(sip.Contact, "<"+p.contact()+">")
	req.Add(sip.Expires, strconv.Itoa(int(p.o.Expires/time.Second)))
	req.Add(sip.UserAgent, p.o.Product)
	for _, f := range credentials {
		req.AddOther(f.Name, f.Value)
	}
	if _, err := r.layer.Request(req, []transport.Target{p.proxy}, r); err != nil {
		r.outcome(err, retryAfter)
	}
}

// Response implements transaction.User.
func (r *registration) Response(_ *transaction.Client, resp *sip.Message) {
	switch {
	case resp.Status < 200:
	case resp.Status < 300:
		r.outcome(nil, r.granted(resp))
	case resp.Status == 401:
		r.answer(resp)
	default:
		r.outcome(fmt.Errorf("register %s: %s", r.phone.o.User, statusLine(resp.Status, resp.Reason)), retryAfter)
	}
}

// Failed implements transaction.User.
func (r *registration) Failed(_ *transaction.Client, err error) {
	r.outcome(fmt.Errorf("register %s: %w", r.phone.o.User, err), retryAfter)
}

func (r *registration) answer(resp *sip.Message) {
	var challenges []string
	for _, f := range resp.Fields {
		if f.Header == sip.WWWAuthenticate {
			challenges = append(challenges, f.Value)
		}
	}
	r.mu.Lock()
	fields, err := r.attempt.Retry(resp.Status, challenges, sip.REGISTER, r.phone.registrar())
	r.mu.Unlock()
	if err != nil {
		r.outcome(fmt.Errorf("register %s: %w", r.phone.o.User, err), retryAfter)
		return
	}
	r.send(fields)
}

// granted is when to register again: when three quarters of the time that the
// registrar gave our contact are over.
func (r *registration) granted(resp *sip.Message) time.Duration {
	given := r.phone.o.Expires
	for v := range resp.Values(sip.Contact) {
		a, err := sip.ParseNameAddr(v)
		if err != nil || a.URI.String() != r.phone.contact() {
			continue
		}
		text, _ := a.Params.Get("expires")
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			given = min(given, time.Duration(n)*time.Second)
		}
	}
	return given * 3 / 4
}

// outcome tells the first result to who waits for it, and sets the next try.
func (r *registration) outcome(err error, next time.Duration) {
	r.mu.Lock()
	first := r.first
	r.first = nil
	r.mu.Unlock()
	if first != nil {
		first <- err
	}
	if errors.Is(err, transport.ErrClosed) {
		return
	}
	if err != nil {
		r.phone.o.Log.Warn("sandbox phone not registered", "user", r.phone.o.User, "error", err)
	}
	r.phone.o.Wheel.Start(&r.refresh, next, r, 0)
}

func (r *registration) stop() { r.phone.o.Wheel.Stop(&r.refresh) }
