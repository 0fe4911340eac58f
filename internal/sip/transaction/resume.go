package transaction

import (
	"bytes"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// Resume takes up the transaction of an INVITE that another process has sent with
// RequestAs, or was about to send when it ended. The request is as it was sent but for
// its body and its credentials. It is not sent again: nobody knows what has come of it,
// so that all it is good for is a CANCEL, and the ACK of what comes. When the peer says
// to the CANCEL that it knows no such INVITE, the transaction fails with ErrTimeout.
func (l *Layer) Resume(branch string, req *sip.Message, target transport.Target, user User) *Client {
	via := l.via(target, branch)
	req.Prepend(sip.Via, "")
	req.SetTopVia(via)
	c := &Client{
		layer: l, user: user, key: clientKey{branch: branch, method: sip.INVITE}, state: proceeding, resumed: true,
		target: target, host: via.Host, port: via.Port, data: bytes.Clone(skeleton(req).Bytes()),
	}
	l.clients.add(c.key, c)
	return c
}

// unknown hears what comes of the CANCEL of a resumed INVITE.
type unknown struct{ invite *Client }

// Response implements User.
func (u unknown) Response(_ *Client, resp *sip.Message) {
	if resp.Status == 481 {
		u.invite.expire()
	}
}

// Failed implements User: the INVITE has a time-out of its own.
func (unknown) Failed(*Client, error) {}
