package sandbox

import (
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// Traced is one SIP message that the proxy received or sends.
type Traced struct {
	At   time.Time
	Sent bool             // false: received
	Peer transport.Target // from or to whom
	User string           // whose registered contact Peer is, "" for any other
	Msg  *sip.Message     // must not be changed
}

// String is one line: direction, peer, and what the message is, as in
// "<- UDP 127.0.0.1:40001  INVITE sip:202@demo.test  (1 INVITE)".
func (t Traced) String() string {
	arrow := "<- "
	if t.Sent {
		arrow = "-> "
	}
	what := t.Msg.Method + " " + t.Msg.RequestURI
	if t.Msg.IsResponse() {
		what = statusLine(t.Msg.Status, t.Msg.Reason)
	}
	return arrow + t.Peer.String() + "  " + what + "  (" + t.Msg.Get(sip.CSeq) + ")"
}

// wire is the transport with an ear on it.
type wire struct {
	*transport.Layer
	trace func(Traced)
	who   func(transport.Target) string
}

// Send implements transaction.Transport.
func (w *wire) Send(t transport.Target, data []byte, s transport.Sender) error {
	w.sends(t, data)
	return w.Layer.Send(t, data, s)
}

// Reply implements transaction.Transport.
func (w *wire) Reply(s transport.Source, viaPort int, data []byte) error {
	w.sends(s.Target, data)
	return w.Layer.Reply(s, viaPort, data)
}

// sends tells of a message before it leaves, so that nobody can be told of its
// answer first.
func (w *wire) sends(t transport.Target, data []byte) {
	if w.trace == nil {
		return
	}
	if m, err := sip.Parse(data); err == nil {
		w.trace(Traced{At: time.Now(), Sent: true, Peer: t, User: w.who(t), Msg: m})
	}
}

func (w *wire) received(m *sip.Message, from transport.Source) {
	if w.trace != nil {
		w.trace(Traced{At: time.Now(), Peer: from.Target, User: w.who(from.Target), Msg: m})
	}
}
