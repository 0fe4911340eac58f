package app

import (
	"callcontroller/internal/call"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/ladder"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// wire is the transport, with an ear on it when a ladder is kept.
func (a *App) wire() transaction.Transport {
	if a.ladder == nil {
		return a.transport
	}
	return ear{a.transport, a.ladder}
}

// ear tells the ladder of a message before it leaves, so that its answer cannot come
// first.
type ear struct {
	*transport.Layer
	ladder *ladder.Ladder
}

// Send implements transaction.Transport.
func (e ear) Send(t transport.Target, data []byte, s transport.Sender) error {
	e.ladder.Sent(peerOf(t), data)
	return e.Layer.Send(t, data, s)
}

// Reply implements transaction.Transport.
func (e ear) Reply(s transport.Source, viaPort int, data []byte) error {
	e.ladder.Sent(peerOf(s.Target), data)
	return e.Layer.Reply(s, viaPort, data)
}

func peerOf(t transport.Target) ladder.Peer {
	return ladder.Peer{Protocol: t.Protocol.String(), Addr: t.Addr}
}

// legs is what tells the ladder of the legs of calls; nil without one.
func (a *App) legs() func(call.ID, call.Leg, string) {
	if a.ladder == nil {
		return nil
	}
	return func(id call.ID, role call.Leg, sipCallID string) { a.ladder.Leg(string(id), role.String(), sipCallID) }
}

// messages are what v1 answers with who asks for a ladder; nil for none.
func (a *App) messages() v1.Ladder {
	if a.ladder == nil {
		return nil
	}
	return a.ladder
}
