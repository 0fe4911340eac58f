package transaction

import (
	"bytes"
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

// The states of both client machines (RFC 3261 figures 5 and 6, RFC 6026 figure 1):
//
//	INVITE:     calling -> proceeding -> completed -> terminated
//	                 \--------> accepted ------------^
//	non-INVITE: calling (there: trying) -> proceeding -> completed -> terminated
type clientState uint8

const (
	calling clientState = iota
	proceeding
	completed
	accepted
	terminated
)

// Timer identities of a client, as given to the wheel.
const (
	timerRetransmit uint8 = iota // A or E
	timerTimeout                 // B or F, later D, K or M; and the wait for a 487
)

// Client is a client transaction.
type Client struct {
	layer *Layer
	user  User

	mu       sync.Mutex
	key      clientKey
	state    clientState
	cancel   cancelState
	attempts []transport.Target // what is tried next when sending fails
	target   transport.Target
	host     string // sent-by of our Via
	port     int
	req      *sip.Message // the request; nil when it is not sent any more
	data     []byte       // what is retransmitted: the request, later the ACK; of a proceeding INVITE its skeleton
	interval time.Duration

	retransmit, timeout timing.Timer
}

type cancelState struct {
	wanted, sent bool
	fields       []sip.Field // such as Reason
}

// errNoTarget tells that a request was given nowhere to go.
var errNoTarget = errors.New("no next hop")

// Request sends req in a transaction of its own to the first of targets; when
// that cannot be reached, to the next. The layer writes the Via; the caller must
// not touch req any more. An error means that nothing was sent and that user will
// hear nothing.
func (l *Layer) Request(req *sip.Message, targets []transport.Target, user User) (*Client, error) {
	c := &Client{layer: l, user: user, req: req, key: clientKey{method: strings.Clone(req.Method)}}
	c.attempts = l.plan(req, targets)
	req.Prepend(sip.Via, "")
	if err := c.attempt(); err != nil {
		return nil, err
	}
	return c, nil
}

// plan lists the ways to try: a request too large for UDP is tried over TCP first,
// and over UDP when that is refused (RFC 3261 section 18.1.1).
func (l *Layer) plan(req *sip.Message, targets []transport.Target) []transport.Target {
	const around = len("Via: \r\n")
	size, branch := len(req.Bytes())+around, sip.NewBranch()
	ways := make([]transport.Target, 0, len(targets))
	for _, t := range targets {
		if t.Protocol == transport.UDP && size+len(l.via(t, branch).String()) > MTU {
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

// attempt sends the request anew over the next way, with a branch of its own
// (RFC 3263 section 4.3).
func (c *Client) attempt() error {
	err := errNoTarget
	for {
		c.mu.Lock()
		if len(c.attempts) == 0 {
			c.mu.Unlock()
			return fmt.Errorf("%w: %w", ErrTransport, err)
		}
		c.target, c.attempts = c.attempts[0], c.attempts[1:]
		old := c.key
		c.key.branch = sip.NewBranch()
		via := c.layer.via(c.target, c.key.branch)
		c.host, c.port = via.Host, via.Port
		c.req.SetTopVia(via)
		c.data = c.req.Bytes()
		data, target, key := c.data, c.target, c.key
		c.interval = T1
		c.mu.Unlock()
		if old.branch != "" {
			c.layer.clients.remove(old)
		}
		c.layer.clients.add(key, c)
		c.startTimers(target)
		if err = c.layer.transport.Send(target, data, c); err == nil {
			return nil
		}
		c.stopTimers()
		c.layer.clients.remove(key)
	}
}

func (c *Client) startTimers(t transport.Target) {
	w := c.layer.wheel
	if !t.Protocol.Reliable() {
		w.Start(&c.retransmit, T1, c, timerRetransmit)
	}
	w.Start(&c.timeout, Timeout, c, timerTimeout)
}

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
	c.mu.Lock()
	open := c.state == calling
	c.mu.Unlock()
	if !open {
		return // A lost ACK or retransmission: the peer will ask again.
	}
	c.stopTimers()
	next := c.attempt()
	if next == nil {
		return
	}
	if errors.Is(next, errNoTarget) {
		next = fmt.Errorf("%w: %w", ErrTransport, err)
	}
	c.fail(next)
}

// Fired implements timing.Owner.
func (c *Client) Fired(id uint8) {
	if id == timerRetransmit {
		c.sendAgain()
		return
	}
	c.mu.Lock()
	waiting := c.state == calling || c.state == proceeding
	c.mu.Unlock()
	if waiting {
		c.fail(ErrTimeout)
		return
	}
	c.end()
}

// sendAgain is timer A or E: twice the interval for an INVITE, up to T2 for
// another request, and T2 once that is proceeding.
func (c *Client) sendAgain() {
	c.mu.Lock()
	if c.state != calling && (c.state != proceeding || c.invite()) {
		c.mu.Unlock()
		return
	}
	c.interval *= 2
	if !c.invite() && (c.interval > T2 || c.state == proceeding) {
		c.interval = T2
	}
	next, data, target := c.interval, c.data, c.target
	c.mu.Unlock()
	c.layer.wheel.Start(&c.retransmit, next, c, timerRetransmit)
	c.send(target, data)
}

// send sends a retransmission, an ACK or a CANCEL: when it is lost, the peer's or
// our own retransmission repairs it, so a failure is only noted.
func (c *Client) send(t transport.Target, data []byte) {
	if err := c.layer.transport.Send(t, data, nil); err != nil {
		c.layer.log.Debug("SIP message not sent", "peer", t.Addr.String(), "error", err)
	}
}

// fail ends the transaction without a final response.
func (c *Client) fail(err error) {
	c.mu.Lock()
	over := c.state == terminated
	c.mu.Unlock()
	if over {
		return
	}
	c.end()
	c.user.Failed(c, err)
}

// end takes the transaction out of the layer and lets go of what it held.
func (c *Client) end() {
	c.stopTimers()
	c.mu.Lock()
	c.state = terminated
	c.data, c.req, c.attempts, c.cancel.fields = nil, nil, nil, nil
	key := c.key
	c.mu.Unlock()
	c.layer.clients.remove(key)
}

// Receive moves the machine by a response that matched it.
func (c *Client) Receive(resp *sip.Message) {
	switch {
	case resp.Status < 200:
		c.provisional(resp)
	case !c.invite():
		c.finalOther(resp)
	case resp.Status < 300:
		c.success(resp)
	default:
		c.rejection(resp)
	}
}

func (c *Client) provisional(resp *sip.Message) {
	c.mu.Lock()
	if c.state != calling && c.state != proceeding {
		c.mu.Unlock()
		return
	}
	first := c.state == calling
	c.state = proceeding
	late := c.cancel.wanted && !c.cancel.sent
	if first && c.invite() {
		// The request itself is not sent again: keep what ACK and CANCEL need, as
		// text, for a phone may ring long and a Message takes thrice the room.
		c.data, c.attempts, c.req = bytes.Clone(skeleton(c.req).Bytes()), nil, nil
	}
	c.mu.Unlock()
	if first && c.invite() {
		c.stopTimers()
	}
	if late {
		c.sendCancel()
	}
	c.user.Response(c, resp)
}

func (c *Client) finalOther(resp *sip.Message) {
	c.mu.Lock()
	if c.state != calling && c.state != proceeding {
		c.mu.Unlock()
		return
	}
	c.state = completed
	c.data, c.req, c.attempts = nil, nil, nil
	reliable := c.target.Protocol.Reliable()
	c.mu.Unlock()
	c.linger(T4, reliable) // Timer K.
	c.user.Response(c, resp)
}

// success is a 2xx to an INVITE: the user gets each one, and ACKs it
// (RFC 6026 section 7.2). That holds for one behind a final response above 2xx
// too: a branch of a fork that the proxy could not stop any more, whose phone
// would stay off-hook.
func (c *Client) success(resp *sip.Message) {
	c.mu.Lock()
	first := c.state == calling || c.state == proceeding
	if c.state == terminated {
		c.mu.Unlock()
		return
	}
	if c.state != completed {
		c.state = accepted
		c.data, c.req, c.attempts = nil, nil, nil
	}
	c.mu.Unlock()
	if first {
		c.linger(Timeout, false) // Timer M, for every transport.
	}
	c.user.Response(c, resp)
}

// rejection is a final response above 2xx to an INVITE: each one is ACKed here
// (RFC 3261 section 17.1.1.3), the user gets the first.
func (c *Client) rejection(resp *sip.Message) {
	c.mu.Lock()
	first := c.state == calling || c.state == proceeding
	if !first && c.state != completed {
		c.mu.Unlock()
		return
	}
	if first {
		c.state = completed
		c.data = ackFor(c.request(), resp).Bytes()
		c.req, c.attempts = nil, nil
	}
	data, target := c.data, c.target
	c.mu.Unlock()
	c.send(target, data)
	if first {
		c.linger(Timeout, target.Protocol.Reliable()) // Timer D.
		c.user.Response(c, resp)
	}
}

// linger keeps the finished transaction for d to absorb retransmissions; over a
// reliable transport there are none.
func (c *Client) linger(d time.Duration, reliable bool) {
	c.layer.wheel.Stop(&c.retransmit)
	if reliable {
		c.end()
		return
	}
	c.layer.wheel.Start(&c.timeout, d, c, timerTimeout)
}
