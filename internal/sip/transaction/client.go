package transaction

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// User is the transaction user of a client transaction. Its methods are called on
// a read loop or the timing wheel, never two at once for one socket, and must not
// block.
type User interface {
	// Response gets every provisional response, the first final one, and each
	// further 2xx to an INVITE (RFC 6026 section 7.2).
	Response(c *Client, resp *sip.Message)
	// Failed tells that no final response will come: ErrTimeout or ErrTransport.
	Failed(c *Client, err error)
}

// Ender is a User that wants to hear when a transaction with a final response is over,
// after which it brings nothing more.
type Ender interface{ Ended(c *Client) }

// The states of both client machines (RFC 3261 figures 5 and 6, RFC 6026 figure 1):
//
//	INVITE:     calling -> proceeding -> completed -> terminated
//	                 \--------> accepted ------------^
//	non-INVITE: calling (there: trying) -> proceeding -> terminated
//
// See finalOther for the completed state that the latter has in the book.
type clientState uint8

const (
	calling clientState = iota
	proceeding
	completed
	accepted
	terminated
)

// waiting tells that no final response has come.
func (s clientState) waiting() bool { return s == calling || s == proceeding }

// Timer identities, as given to the wheel.
const (
	timerRetransmit uint8 = iota // A, E or G
	timerTimeout                 // B, F or H; and the wait for a 487
	timerLinger                  // D or M of a client
	timerLimit                   // a re-INVITE has waited long enough
)

// Client is a client transaction. State and timers change together, under mu; a
// timer that fires just then is told by its identity and the state.
type Client struct {
	layer *Layer
	user  User

	mu       sync.Mutex
	key      clientKey
	state    clientState
	limited  bool // a re-INVITE: see ReinviteLimit
	resumed  bool // see Resume
	cancel   cancelState
	attempts []transport.Target // what is tried next when sending fails
	target   transport.Target
	host     string // sent-by of our Via
	port     int
	req      *sip.Message  // the request; nil when it is not sent any more
	data     []byte        // what is retransmitted: the request, later the ACK; of a proceeding INVITE its skeleton
	interval time.Duration // until the next retransmission; of a limited re-INVITE see proceed

	retransmit, timeout timing.Timer
}

type cancelState struct {
	wanted, sent bool
	fields       []sip.Field // such as Reason
}

// What ends the attempts to send a request.
var (
	errNoTarget = errors.New("no next hop")
	errMoved    = errors.New("a response or a time-out was faster")
)

// Request sends req in a transaction of its own to the first of targets; when
// that cannot be reached, to the next. The layer writes the Via; the caller must
// not touch req any more. An error means that nothing was sent and that user will
// hear nothing.
func (l *Layer) Request(req *sip.Message, targets []transport.Target, user User) (*Client, error) {
	return l.RequestAs("", req, targets, user)
}

// RequestAs is Request with a branch that the caller has made, so that it can find the
// transaction again by Resume; "" for a new one. Further ways get new ones.
func (l *Layer) RequestAs(branch string, req *sip.Message, targets []transport.Target, user User) (*Client, error) {
	c := &Client{layer: l, user: user, req: req, key: clientKey{branch: branch, method: strings.Clone(req.Method)}}
	c.attempts = l.plan(req, targets)
	req.Prepend(sip.Via, "")
	if err := c.attempt(errNoTarget); err != nil {
		return nil, err
	}
	return c, nil
}

// plan lists the ways to try: a request too large for UDP is tried over TCP first,
// and over UDP when that is refused (RFC 3261 section 18.1.1).
func (l *Layer) plan(req *sip.Message, targets []transport.Target) []transport.Target {
	const around, branch = len("Via: \r\n"), sip.MagicCookie + "0123456789abcdef0123"
	var room [256]byte
	size := req.Size() + around
	ways := make([]transport.Target, 0, len(targets))
	for _, t := range targets {
		if t.Protocol == transport.UDP && size+len(l.via(t, branch).AppendTo(room[:0])) > MTU {
			ways = append(ways, transport.Target{Protocol: transport.TCP, Addr: t.Addr})
		}
		ways = append(ways, t)
	}
	return ways
}

// via is our Via towards t.
func (l *Layer) via(t transport.Target, branch string) sip.ViaValue {
	host, port := l.transport.SentBy(t)
	return sip.ViaValue{Transport: t.Protocol.String(), Host: host, Port: port, Params: sip.Params(";rport;branch=" + branch)}
}

// attempt sends the request over the next way that takes it. When there is none
// left the transaction is over, and the error wraps that of the last way, which is
// err at first.
func (c *Client) attempt(err error) error {
	for {
		target, data, stop := c.next()
		switch {
		case errors.Is(stop, errNoTarget):
			return fmt.Errorf("%w: %w", ErrTransport, err)
		case stop != nil:
			return nil
		}
		if err = c.layer.transport.Send(target, data, c); err == nil {
			return nil
		}
	}
}

// next makes the request for the next way, with a branch of its own (RFC 3263
// section 4.3). It fails with errNoTarget when no way is left, and with errMoved
// when the transaction is not calling any more.
func (c *Client) next() (transport.Target, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state != calling:
		return transport.Target{}, nil, errMoved
	case len(c.attempts) == 0:
		c.release()
		return transport.Target{}, nil, errNoTarget
	}
	if again := c.host != ""; again || c.key.branch == "" {
		c.layer.clients.remove(c.key)
		c.key.branch = sip.NewBranch()
	}
	c.target, c.attempts = c.attempts[0], c.attempts[1:]
	via := c.layer.via(c.target, c.key.branch)
	c.host, c.port = via.Host, via.Port
	c.req.SetTopVia(via)
	c.data = c.req.Bytes()
	if !c.invite() && len(c.attempts) == 0 {
		c.forget() // An INVITE is still needed, for its ACK or CANCEL.
	}
	c.layer.clients.add(c.key, c)
	c.startTimers()
	return c.target, c.data, nil
}

// startTimers starts A or E, and B or F; c.mu is held.
func (c *Client) startTimers() {
	w := c.layer.wheel
	if c.interval = T1; !c.target.Protocol.Reliable() {
		w.Start(&c.retransmit, T1, c, timerRetransmit)
	}
	w.Start(&c.timeout, Timeout, c, timerTimeout)
}

// stopTimers stops both timers; c.mu is held.
func (c *Client) stopTimers() {
	c.layer.wheel.Stop(&c.retransmit)
	c.layer.wheel.Stop(&c.timeout)
}

func (c *Client) invite() bool { return c.key.method == sip.INVITE }

// sentBy tells whether the top Via of a response is ours; 5060 goes without saying.
func (c *Client) sentBy(v sip.ViaValue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := v
	ours.Port = c.port
	return strings.EqualFold(v.Host, c.host) && viaPort(v) == viaPort(ours)
}

// Target is the next hop to which the request went last.
func (c *Client) Target() transport.Target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// SendFailed implements transport.Sender: the next way is tried, or the user told.
func (c *Client) SendFailed(err error) {
	if err := c.attempt(err); err != nil {
		c.user.Failed(c, err)
	}
}

// Keep lets the user keep the ACK of a 2xx, which answers each repetition of that,
// for as long as the transaction lives.
func (c *Client) Keep(ack []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == accepted {
		c.data = ack
	}
}

// Kept gives what Keep took, nil when there is nothing.
func (c *Client) Kept() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != accepted {
		return nil
	}
	return c.data
}

// Fired implements timing.Owner.
func (c *Client) Fired(id uint8) {
	switch id {
	case timerRetransmit:
		c.sendAgain()
	case timerTimeout:
		c.expire()
	case timerLinger:
		c.end()
	case timerLimit:
		c.Cancel()
	}
}

// sendAgain is timer A or E: twice the interval for an INVITE, up to T2 for
// another request, and T2 once that is proceeding.
func (c *Client) sendAgain() {
	c.mu.Lock()
	if !c.state.waiting() || c.state == proceeding && c.invite() {
		c.mu.Unlock()
		return
	}
	c.interval *= 2
	if !c.invite() && (c.interval > T2 || c.state == proceeding) {
		c.interval = T2
	}
	c.layer.wheel.Start(&c.retransmit, c.interval, c, timerRetransmit)
	data, target := c.data, c.target
	c.mu.Unlock()
	c.send(target, data)
}

// send sends a retransmission, an ACK or a CANCEL: when it is lost, the peer's or
// our own retransmission repairs it, so a failure is only noted.
func (c *Client) send(t transport.Target, data []byte) {
	if err := c.layer.transport.Send(t, data, nil); err != nil {
		c.layer.log.Debug("SIP message not sent", "peer", t.Addr.String(), "error", err)
	}
}

// expire ends a transaction whose time is over without a final response.
func (c *Client) expire() {
	c.mu.Lock()
	failed := c.state.waiting()
	if failed {
		c.release()
	}
	c.mu.Unlock()
	if failed {
		c.user.Failed(c, ErrTimeout)
	}
}

// end takes a finished transaction out of the layer.
func (c *Client) end() {
	c.mu.Lock()
	c.release()
	c.mu.Unlock()
	if u, ok := c.user.(Ender); ok {
		u.Ended(c)
	}
}

// release takes the transaction out of the layer and lets go of what it held; c.mu
// is held.
func (c *Client) release() {
	c.stopTimers()
	c.state = terminated
	c.forget()
	c.data, c.attempts, c.cancel.fields = nil, nil, nil
	c.layer.clients.remove(c.key)
}

// forget lets go of the request; c.mu is held.
func (c *Client) forget() {
	if c.req != nil {
		c.req.Recycle()
		c.req = nil
	}
}
