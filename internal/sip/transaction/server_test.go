package transaction

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

// served is a request that came to a node and was taken.
type served struct {
	in        *Incoming
	tx        *Server
	cancelled int
	failed    []error
}

// serve lets a node accept all that comes.
func (v *node) serve(then func(*served)) {
	v.handler.onRequest = func(in *Incoming) {
		s := &served{in: in}
		s.tx = in.Accept(ServerEvents{
			Cancelled: func() { s.cancelled++ },
			Failed:    func(_ *Server, err error) { s.failed = append(s.failed, err) },
		})
		then(s)
	}
}

func (s *served) respond(status int) { s.tx.Respond(sip.NewResponse(s.in.Msg, status, "", "b")) }

// from puts our Via before a request, as a peer writes it.
func from(m *sip.Message, branch string) *sip.Message {
	m.Prepend(sip.Via, "SIP/2.0/UDP "+here.String()+";branch="+branch)
	return m
}

// TestInviteServer: the final response is repeated until its ACK, and 32 s at most,
// the 2xx until Acked; over TCP only the 2xx is.
func TestInviteServer(t *testing.T) {
	all := seconds(0, .5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
	for name, c := range map[string]struct {
		status  int
		targets []transport.Target
		ackAt   time.Duration // 0 for never
		want    []time.Duration
	}{
		"486":           {486, udp(there), 0, all},
		"486 ACK":       {486, udp(there), 2 * time.Second, all[:3]},
		"486 TCP":       {486, tcp(there), 0, all[:1]},
		"200":           {200, udp(there), 0, all},
		"200 Acked":     {200, udp(there), 2 * time.Second, all[:3]},
		"200 TCP":       {200, tcp(there), 0, all},
		"200 TCP Acked": {200, tcp(there), 2 * time.Second, all[:3]},
	} {
		t.Run(name, func(t *testing.T) {
			fault := bubble(t, func(n *memnet.Network, a, b *node) error {
				var s *served
				b.serve(func(x *served) { s = x; s.respond(c.status) })
				sent := watch(n, there, kind(sip.NewResponse(request(sip.INVITE), c.status, "", "b").Bytes()))
				invite := from(request(sip.INVITE), "z9hG4bK1")
				if err := a.transport.Send(c.targets[0], invite.Bytes(), nil); err != nil {
					return err
				}
				time.Sleep(c.ackAt)
				synctest.Wait()
				if c.ackAt > 0 {
					ackOrAcked(a, s, c.status)
				}
				if time.Sleep(T4 + 2*timing.Tick); c.ackAt > 0 && c.status >= 300 && b.left() != nil {
					t.Error("past timer I:", b.left())
				}
				time.Sleep(2 * Timeout)
				synctest.Wait()
				if got := sent.all(); !slices.Equal(got, c.want) {
					t.Errorf("sent at %v, want %v", got, c.want)
				}
				if acked := c.ackAt > 0; acked && len(s.failed) > 0 || !acked && (len(s.failed) != 1 || !errors.Is(s.failed[0], ErrNoAck)) {
					t.Errorf("failed with %v", s.failed)
				}
				return nil
			})
			if fault != nil {
				t.Error(fault)
			}
		})
	}
}

// ackOrAcked acknowledges as the peer, or as the transaction user, does.
func ackOrAcked(a *node, s *served, status int) {
	if status < 300 {
		s.tx.Acked()
		return
	}
	ack := sibling(s.in.Msg, sip.ACK, s.in.Msg.Get(sip.To)+";tag=b")
	_ = a.transport.Send(udp(there)[0], ack.Bytes(), nil)
}

// TestServerAbsorbs: copies of a request get the last response again, the handler
// sees one. Behind a 2xx to INVITE a copy gets nothing (RFC 6026 section 7.1).
func TestServerAbsorbs(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		status int // 0 for no response yet
		want   int // responses in all to three copies
	}{
		"no response": {sip.BYE, 0, 0}, "provisional": {sip.INVITE, 180, 3}, "final": {sip.BYE, 200, 3},
		"INVITE final": {sip.INVITE, 486, 3}, "INVITE 2xx": {sip.INVITE, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fault := bubble(t, func(n *memnet.Network, a, b *node) error {
				var s *served
				b.serve(func(x *served) {
					if s = x; c.status > 0 {
						s.respond(c.status)
					}
				})
				sent := watch(n, there, kind(sip.NewResponse(request(c.method), c.status, "", "b").Bytes()))
				req := from(request(c.method), "z9hG4bK1")
				for range 3 {
					if err := a.transport.Send(udp(there)[0], req.Bytes(), nil); err != nil {
						return err
					}
					time.Sleep(100 * time.Millisecond)
				}
				synctest.Wait()
				if got, taken := len(sent.all()), len(b.handler.taken()); got != c.want || taken != 1 {
					t.Errorf("%d responses, want %d; %d requests handled", got, c.want, taken)
				}
				if in := s.in; in.Accept(ServerEvents{}) != nil {
					t.Error("the same request was accepted twice")
				}
				s.respond(500) // Ends what is open; nothing behind a final one.
				s.respond(200)
				return nil
			})
			if fault != nil {
				t.Error(fault)
			}
		})
	}
}

// TestServerKey: what tells transactions apart (RFC 3261 section 17.2.3). Without
// the magic cookie it is all that RFC 2543 knew.
func TestServerKey(t *testing.T) {
	for name, c := range map[string]struct {
		vias []string
		tags []string // of From
		want int
	}{
		"copies":         {[]string{"192.0.2.1;branch=z9hG4bK1", "192.0.2.1;branch=z9hG4bK1"}, []string{"a", "a"}, 1},
		"other branch":   {[]string{"192.0.2.1;branch=z9hG4bK1", "192.0.2.1;branch=z9hG4bK2"}, []string{"a", "a"}, 2},
		"other host":     {[]string{"192.0.2.1;branch=z9hG4bK1", "192.0.2.9;branch=z9hG4bK1"}, []string{"a", "a"}, 2},
		"other port":     {[]string{"192.0.2.1;branch=z9hG4bK1", "192.0.2.1:5061;branch=z9hG4bK1"}, []string{"a", "a"}, 2},
		"only the magic": {[]string{"192.0.2.1;branch=z9hG4bK", "192.0.2.1;branch=z9hG4bK"}, []string{"a", "b"}, 2},
		"no branch":      {[]string{"192.0.2.1", "192.0.2.1"}, []string{"a", "b"}, 2},
		"2543 copies":    {[]string{"192.0.2.1;branch=1", "192.0.2.1;branch=1"}, []string{"a", "a"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fault := bubble(t, func(_ *memnet.Network, a, b *node) error {
				b.serve(func(s *served) { s.respond(200) })
				for i, via := range c.vias {
					req := request(sip.BYE)
					req.Set(sip.From, "<sip:a@example.com>;tag="+c.tags[i])
					req.Prepend(sip.Via, "SIP/2.0/UDP "+via)
					if err := a.transport.Send(udp(there)[0], req.Bytes(), nil); err != nil {
						return err
					}
				}
				synctest.Wait()
				if got := b.Stats().Servers; got != c.want {
					t.Errorf("%d transactions, want %d", got, c.want)
				}
				return nil
			})
			if fault != nil {
				t.Error(fault)
			}
		})
	}
}

// TestServerCancel: a CANCEL is answered, and told once while the INVITE has no
// final response; one that matches nothing gets 481.
func TestServerCancel(t *testing.T) {
	fault := bubble(t, func(n *memnet.Network, a, b *node) error {
		var s *served
		b.serve(func(x *served) { s = x })
		ok, gone := watch(n, there, "200"), watch(n, there, "481")
		send := func(m *sip.Message) {
			if err := a.transport.Send(udp(there)[0], m.Bytes(), nil); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		invite := from(request(sip.INVITE), "z9hG4bK1")
		send(invite)
		send(sibling(invite, sip.CANCEL, ""))
		send(sibling(from(request(sip.INVITE), "z9hG4bK2"), sip.CANCEL, ""))
		if len(ok.all()) != 1 || len(gone.all()) != 1 || s.cancelled != 1 {
			t.Errorf("%d times 200, %d times 481, told %d times", len(ok.all()), len(gone.all()), s.cancelled)
		}
		s.respond(487)
		send(sibling(invite, sip.CANCEL, ""))
		if len(ok.all()) != 2 || s.cancelled != 1 {
			t.Errorf("behind the final response: %d times 200, told %d times", len(ok.all()), s.cancelled)
		}
		send(sibling(invite, sip.ACK, ""))
		if b.handler.acks != 0 {
			t.Error("the ACK of a 487 went to the handler")
		}
		return nil
	})
	if fault != nil {
		t.Error(fault)
	}
}

// TestStrays: what belongs to no transaction.
func TestStrays(t *testing.T) {
	fault := bubble(t, func(_ *memnet.Network, a, b *node) error {
		invite := from(request(sip.INVITE), "z9hG4bK1")
		orphan := sip.NewResponse(invite, 200, "", "b")
		orphan.Remove(sip.Via)
		// A 2xx to an INVITE that is over, an ACK, and a response without any Via.
		for _, m := range []*sip.Message{sip.NewResponse(invite, 200, "", "b"), sibling(invite, sip.ACK, ""), orphan} {
			if err := a.transport.Send(udp(there)[0], m.Bytes(), nil); err != nil {
				return err
			}
		}
		synctest.Wait()
		if s := b.Stats(); s.Stray != 1 || b.handler.acks != 1 || b.handler.orphans != 2 || len(b.handler.taken()) != 0 {
			t.Errorf("%+v, %d ACKs, %d orphans, %d requests", s, b.handler.acks, b.handler.orphans, len(b.handler.taken()))
		}
		return nil
	})
	if fault != nil {
		t.Error(fault)
	}
}
