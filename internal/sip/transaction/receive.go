package transaction

import (
	"bytes"

	"callcontroller/internal/sip"
)

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
	if !c.state.waiting() {
		c.mu.Unlock()
		return
	}
	if c.state == calling {
		c.proceed()
	}
	late := c.cancel.wanted && !c.cancel.sent
	c.mu.Unlock()
	if late {
		c.sendCancel()
	}
	c.user.Response(c, resp)
}

// proceed takes the first provisional response. An INVITE is not sent again, nor
// limited in time (section 17.1.1.2): what is kept is what ACK and CANCEL need, as
// text, for a phone may ring long and a Message takes thrice the room. c.mu is held.
//
// A re-INVITE is limited: nothing rings, and somebody may wait for what comes of it.
func (c *Client) proceed() {
	c.state, c.attempts = proceeding, nil
	if !c.invite() {
		return
	}
	c.limited = c.req.ToTag() != ""
	left := c.layer.wheel.Left(&c.timeout) // Of the time that Timer B leaves it.
	c.data = bytes.Clone(skeleton(c.req).Bytes())
	c.forget()
	c.stopTimers()
	if c.limited {
		c.interval = min(cancelledReinvite, left) // Nothing is sent again: see patience.
		c.layer.wheel.Start(&c.timeout, left-(Timeout-ReinviteLimit), c, timerLimit)
	}
}

// finalOther ends the transaction of a request other than INVITE. The completed state that
// it has over UDP (section 17.1.2.2, Timer K) only swallows repetitions of the response, and
// so does a layer that has no transaction for them.
func (c *Client) finalOther(resp *sip.Message) {
	c.mu.Lock()
	if !c.state.waiting() {
		c.mu.Unlock()
		return
	}
	c.release()
	c.mu.Unlock()
	c.user.Response(c, resp)
}

// success is a 2xx to an INVITE: the user gets each one, and ACKs it
// (RFC 6026 section 7.2). That holds for one behind a final response above 2xx
// too: a branch of a fork that the proxy could not stop any more, whose phone
// would stay off-hook.
func (c *Client) success(resp *sip.Message) {
	c.mu.Lock()
	if c.state == terminated {
		c.mu.Unlock()
		return
	}
	if c.state.waiting() {
		c.state = accepted
		c.forget()
		c.data, c.attempts = nil, nil
		c.linger() // Timer M, for every transport.
	}
	c.mu.Unlock()
	c.user.Response(c, resp)
}

// rejection is a final response above 2xx to an INVITE: each one is ACKed here
// (RFC 3261 section 17.1.1.3), the user gets the first.
func (c *Client) rejection(resp *sip.Message) {
	c.mu.Lock()
	first := c.state.waiting()
	if !first && c.state != completed {
		c.mu.Unlock()
		return
	}
	if first {
		c.state = completed
		c.data = ackFor(c.request(), resp).Bytes()
		c.forget()
		c.attempts = nil
	}
	data, target := c.data, c.target
	switch {
	case !first:
	case target.Protocol.Reliable(): // Nothing comes again.
		c.release()
	default:
		c.linger() // Timer D.
	}
	c.mu.Unlock()
	c.send(target, data)
	if first {
		c.user.Response(c, resp)
	}
}

// linger keeps the finished transaction of an INVITE to absorb retransmissions; c.mu is
// held.
func (c *Client) linger() {
	c.stopTimers()
	c.layer.wheel.Start(&c.timeout, Timeout, c, timerLinger)
}
