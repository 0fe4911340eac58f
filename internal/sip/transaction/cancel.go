package transaction

import (
	"strings"
	"time"

	"callcontroller/internal/sip"
)

// Cancel asks for the end of an INVITE that has no final response (RFC 3261
// section 9.1). The CANCEL leaves at once when a provisional response has come,
// else right after the first one; never after a final response. fields, such as
// Reason, go into it. If the INVITE has no final response 64*T1 after the CANCEL,
// the transaction fails with ErrTimeout.
func (c *Client) Cancel(fields ...sip.Field) {
	c.mu.Lock()
	if !c.invite() || c.cancel.wanted {
		c.mu.Unlock()
		return
	}
	c.cancel.wanted = true
	c.cancel.fields = fields
	c.attempts = nil // It is not sent anew over another way.
	c.mu.Unlock()
	c.sendCancel()
}

// sendCancel sends the CANCEL if it may be sent now.
func (c *Client) sendCancel() {
	c.mu.Lock()
	if c.state != proceeding || c.cancel.sent {
		c.mu.Unlock()
		return
	}
	c.cancel.sent = true
	req := cancelFor(c.request(), c.cancel.fields)
	c.cancel.fields = nil
	k := &Client{
		layer: c.layer, user: ignore{}, req: req, data: req.Bytes(), target: c.target, host: c.host, port: c.port,
		key: clientKey{c.key.branch, sip.CANCEL},
	}
	if c.resumed {
		k.user = unknown{c}
	}
	c.layer.wheel.Start(&c.timeout, c.patience(), c, timerTimeout)
	c.mu.Unlock()
	k.begin()
	k.send(k.target, k.data)
}

// patience is how long the final response may take behind the CANCEL; c.mu is held.
func (c *Client) patience() time.Duration {
	if c.limited {
		return c.interval
	}
	return Timeout // Section 9.1.
}

// begin puts a transaction into the layer.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startTimers()
	c.layer.clients.add(c.key, c)
}

// ignore is the user of a CANCEL: whatever comes, the INVITE's own transaction
// decides (RFC 3261 section 9.1).
type ignore struct{}

func (ignore) Response(*Client, *sip.Message) {}
func (ignore) Failed(*Client, error)          {}

// request gives an INVITE that has no final response, or its skeleton; c.mu is held.
func (c *Client) request() *sip.Message {
	if c.req != nil {
		return c.req
	}
	m, err := sip.Parse(c.data)
	if err != nil {
		// Our own text can always be read. If not, what is made of this has no Via,
		// and no peer will take it.
		c.layer.log.Error("skeleton of an INVITE", "error", err)
		return &sip.Message{}
	}
	return m
}

// skeleton keeps of an INVITE what an ACK or a CANCEL is made from.
func skeleton(req *sip.Message) *sip.Message {
	k := &sip.Message{Method: req.Method, RequestURI: req.RequestURI, Fields: make([]sip.Field, 0, 8)}
	for _, f := range req.Fields {
		switch f.Header {
		case sip.Via, sip.Route, sip.From, sip.To, sip.CallID, sip.CSeq, sip.MaxForwards:
			k.Fields = append(k.Fields, f)
		default:
		}
	}
	return k
}

// sibling makes a request that shares Request-URI, top Via, Route, From, Call-ID
// and CSeq number with an INVITE.
func sibling(invite *sip.Message, method, to string) *sip.Message {
	k := skeleton(invite)
	k.Method = method
	seq, _, _ := strings.Cut(invite.Get(sip.CSeq), " ")
	k.Set(sip.CSeq, seq+" "+method)
	k.Set(sip.MaxForwards, "70")
	if to != "" {
		k.Set(sip.To, to)
	}
	return k
}

// ackFor makes the ACK of a response above 2xx (RFC 3261 section 17.1.1.3): To is
// that of the response.
func ackFor(invite, resp *sip.Message) *sip.Message {
	return sibling(invite, sip.ACK, resp.Get(sip.To))
}

// cancelFor makes the CANCEL of an INVITE (RFC 3261 section 9.1).
func cancelFor(invite *sip.Message, fields []sip.Field) *sip.Message {
	k := sibling(invite, sip.CANCEL, "")
	k.Fields = append(k.Fields, fields...)
	return k
}
