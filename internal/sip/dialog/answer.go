package dialog

import (
	"errors"
	"slices"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// success takes a 2xx to the INVITE: the first makes the dialog, its repetitions
// get the same ACK again, and those of other branches of a fork are acknowledged
// and ended (RFC 3261 section 13.2.2.4).
func (s *Session) success(tx *transaction.Client, resp *sip.Message) {
	tag := RemoteTag(resp.ToTag())
	if s.again(tx, tag) {
		return
	}
	s.mu.Lock()
	gone := s.setup == nil
	s.mu.Unlock()
	if gone {
		return // Failed long ago.
	}
	d, err := fromResponse(s.describe(), resp)
	s.mu.Lock()
	// A 2xx to an INVITE that was challenged since comes from a fork too.
	first := s.outcome == pending && s.invited(d.inviteSeq)
	if first {
		d.follow(s.find(tag))
		d.confirm(s.reliableOf(tag))
		s.dialog, s.setup.tx = d, tx
		s.finish(answered)
	}
	s.mu.Unlock()
	switch {
	case first:
		s.ua.resolveDialog(d, func(hop []transport.Target, failed error) {
			s.establish(resp, hop, errors.Join(err, failed))
		})
	case !s.again(tx, tag): // It may have come on two sockets at once.
		s.surplus(tx.Target(), d)
	}
}

// again repeats the ACK of a 2xx that has come before; false when none with that
// tag has made the dialog.
func (s *Session) again(tx *transaction.Client, tag RemoteTag) bool {
	s.mu.Lock()
	known := s.dialog != nil && s.dialog.RemoteTag == tag
	s.mu.Unlock()
	if ack := tx.Kept(); known && ack != nil {
		s.repeat(ack)
	}
	return known
}

// establish tells the User of the dialog once its next hop is known. One that
// cannot be used is ended at once.
func (s *Session) establish(resp *sip.Message, hop []transport.Target, err error) {
	s.mu.Lock()
	if len(hop) > 0 {
		s.hop = hop
	}
	s.mu.Unlock()
	if err == nil {
		s.user.Answered(s, resp)
		return
	}
	s.user.Progress(s, resp)
	s.Ack("", nil)
	s.Send(Sent{Method: sip.BYE})
	s.user.Failed(s, err)
}

// resolveDialog finds the next hop of a dialog that nobody else knows yet.
func (ua *UA) resolveDialog(d *Dialog, then func([]transport.Target, error)) {
	u, err := ua.route(thaw(d.text))
	if err != nil {
		then(nil, err)
		return
	}
	ua.resolve(u, then)
}

// route is the URI by which requests inside a dialog go.
func (ua *UA) route(p parts) (sip.URI, error) {
	u, err := p.nextHop()
	if err == nil && len(p.routes) == 0 {
		u = ua.hopOf(u, true)
	}
	return u, err
}

// Ack acknowledges the last 2xx to an INVITE of ours, the first or one inside the
// dialog, with the answer when that had no offer. It does nothing when none is owed.
func (s *Session) Ack(contentType string, body []byte) {
	s.mu.Lock()
	if s.dialog == nil || s.ackSent {
		s.mu.Unlock()
		return
	}
	req := s.ackOf(s.dialog, s.dialog.inviteSeq, s.hop)
	if len(body) > 0 {
		req.Add(sip.ContentType, contentType)
		req.Body = body
	}
	ack, hop := s.ua.ackBytes(req, s.hop[0]), s.hop
	s.ackSent = true
	if s.setup != nil && s.setup.tx != nil {
		s.setup.tx.Keep(ack)
	}
	s.mu.Unlock()
	s.ua.send(hop, ack)
}

// ackOf makes the ACK of a 2xx to the INVITE with that CSeq number. It carries the
// credentials of the INVITE (section 22.1) as long as they are those sent last, unless
// it goes to a host for which they are not: straight to the phone when the proxy has
// not recorded itself (row U17). s.mu is held.
func (s *Session) ackOf(d *Dialog, seq uint32, hop []transport.Target) *sip.Message {
	req := s.request(d, sip.ACK, seq)
	if s.invited(seq) && isBound(hop, s.bound) {
		addCredentials(req, s.setup.answers)
	}
	return req
}

// ackBytes completes an ACK, which has a branch of its own (section 13.2.2.4 and
// 17.1.1.3), and has no more need of it.
func (ua *UA) ackBytes(req *sip.Message, t transport.Target) []byte {
	host, port := ua.config.Transport.SentBy(t)
	req.Prepend(sip.Via, sip.ViaValue{
		Transport: t.Protocol.String(), Host: host, Port: port, Params: sip.Params(";rport;branch=" + sip.NewBranch()),
	}.String())
	data := req.Bytes()
	req.Recycle()
	return data
}

// send sends what no transaction repeats: an ACK. When it is lost, the peer's 2xx
// comes again.
func (ua *UA) send(hop []transport.Target, data []byte) {
	if err := ua.config.Transport.Send(hop[0], data, nil); err != nil {
		ua.config.Log.Debug("ACK not sent", "peer", hop[0].Addr.String(), "error", err)
	}
}

// surplus acknowledges and ends the dialog of a 2xx that is not the first, by the
// way of its INVITE when its own cannot be found. Only the first of its repetitions
// brings a BYE.
func (s *Session) surplus(back transport.Target, d *Dialog) {
	s.mu.Lock()
	r := s.rarely()
	known := slices.ContainsFunc(r.forks, func(f *Dialog) bool { return f.RemoteTag == d.RemoteTag })
	if !known && len(r.forks) < maxEarly {
		r.forks = append(r.forks, d)
	}
	s.mu.Unlock()
	s.ua.resolveDialog(d, func(hop []transport.Target, err error) {
		if err != nil {
			hop = []transport.Target{back}
		}
		s.mu.Lock()
		ack := s.ackOf(d, d.inviteSeq, hop)
		s.mu.Unlock()
		s.ua.send(hop, s.ua.ackBytes(ack, hop[0]))
		if !known {
			s.sendIn(d, hop, Sent{Method: sip.BYE})
		}
	})
}
