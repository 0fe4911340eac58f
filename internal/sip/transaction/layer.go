// Package transaction owns the four transaction machines of RFC 3261 section 17
// as amended by RFC 6026: retransmission, time-outs, and the matching of messages
// to transactions.
//
// It decides nothing about dialogs or calls. It starts no goroutine: its machines
// move on the read loops of the transport and on the timing wheel, so messages of
// one socket are handled in the order in which they arrived. Nothing is kept of a
// transaction past its last timer. No message is sent and no user is called under
// a lock.
package transaction

import (
	"errors"
	"hash/maphash"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// Timer values of RFC 3261, table 4 (appendix A).
const (
	T1 = 500 * time.Millisecond
	T2 = 4 * time.Second
	T4 = 5 * time.Second

	// Timeout is 64*T1: timers B, D, F, H, J, L and M.
	Timeout = 64 * T1
	// ReinviteLimit is how long a re-INVITE may have provisional responses only: then it
	// is cancelled, so that who waits for what comes of it has an answer within 32 s.
	ReinviteLimit = 20 * time.Second
	// cancelledReinvite is how long its final response may take then.
	cancelledReinvite = 10 * time.Second
)

// MTU is the size in bytes above which a request must not go over UDP while its
// path's MTU is unknown (RFC 3261 section 18.1.1).
const MTU = 1300

// Failures of a client transaction, as its user is told them.
var (
	ErrTimeout   = errors.New("no response in time")             // treated as a 408, RFC 3261 section 8.1.3.1
	ErrTransport = errors.New("the request could not be sent")   // treated as a 503
	ErrNoAck     = errors.New("no ACK for the response in time") // of an INVITE server transaction
)

// Transport is what this layer needs of package transport.
type Transport interface {
	Send(t transport.Target, data []byte, s transport.Sender) error
	Reply(s transport.Source, viaPort int, data []byte) error
	SentBy(t transport.Target) (host string, port int)
}

// Handler takes the requests for which there is no transaction yet. It is called
// on the transport's read loop and must not block.
type Handler interface {
	// Request gets every valid request but ACK. It answers by in.Reply, keeping no
	// state, or takes the transaction with in.Accept.
	Request(in *Incoming)
	// Ack gets each ACK that belongs to no transaction, which is that of a 2xx
	// (section 17.1.1.3).
	Ack(req *sip.Message)
	// Orphan gets a response without any Via, which by the book is to be dropped.
	// A proxy was seen to relay one: a phone had answered its INVITE, after a
	// CANCEL, with the Via of the CANCEL. Who can tell by its tag for which request
	// it is may give it to Client.Receive.
	// It also gets a 2xx to an INVITE, with its Via, whose transaction is over.
	Orphan(resp *sip.Message)
}

// Layer owns all transactions of one transport.
type Layer struct {
	transport Transport
	wheel     *timing.Wheel
	handler   Handler
	log       *slog.Logger
	clients   table[clientKey, *Client]
	servers   table[serverKey, *Server]
	answered  *answered
	counters  counters
	seed      maphash.Seed // of Incoming.Tag
}

type counters struct {
	invalid, stray atomic.Uint64
}

// Stats is what the layer holds and has counted since it was made.
type Stats struct {
	Clients, Servers int    // transactions that live
	Invalid          uint64 // requests and responses that Validate refused
	Stray            uint64 // responses of no transaction
}

// New makes a layer. Receive must be made the handler of the transport.
func New(t Transport, w *timing.Wheel, h Handler, log *slog.Logger) *Layer {
	return &Layer{
		transport: t, wheel: w, handler: h, log: log,
		clients: newTable[clientKey, *Client](), servers: newTable[serverKey, *Server](),
		answered: newAnswered(w), seed: maphash.MakeSeed(),
	}
}

// Stats gives the layer's figures.
func (l *Layer) Stats() Stats {
	return Stats{
		Clients: l.clients.len(), Servers: l.servers.len() + l.answered.len(),
		Invalid: l.counters.invalid.Load(), Stray: l.counters.stray.Load(),
	}
}

// Receive takes one message from the transport.
func (l *Layer) Receive(m *sip.Message, from transport.Source) {
	if m.IsResponse() && !m.Has(sip.Via) {
		l.handler.Orphan(m)
		return
	}
	if err := m.Validate(); err != nil {
		l.refuse(m, from, err)
		return
	}
	if m.IsResponse() {
		l.response(m)
		return
	}
	l.request(m, from)
}

// refuse answers an invalid request with the status that Validate names, without
// state and with what it has of the fields that a response copies (RFC 3261 section
// 8.2.6.2; RFC 4475 section 3.3.1). An ACK is never answered, nor is what has not
// even a Via: its sender could make nothing of it.
func (l *Layer) refuse(m *sip.Message, from transport.Source, err error) {
	l.counters.invalid.Add(1)
	l.log.Debug("invalid SIP message", "peer", from.Addr.String(), "error", err)
	var bad *sip.InvalidError
	if m.IsResponse() || m.Method == sip.ACK || !errors.As(err, &bad) || m.Get(sip.Via) == "" {
		return
	}
	in := Incoming{Msg: m, From: from, layer: l}
	in.Reply(sip.NewResponse(m, bad.Status, "", in.Tag()))
}

// response hands a response to its transaction. One with another sent-by than we
// wrote was not made for us (RFC 3261 section 18.1.2).
func (l *Layer) response(m *sip.Message) {
	via, err := m.Via()
	if err != nil {
		return
	}
	cseq, err := m.CSeq()
	if err != nil {
		return
	}
	c, ok := l.clients.get(clientKey{via.Branch(), cseq.Method})
	if !ok || !c.sentBy(via) {
		l.counters.stray.Add(1)
		if !ok && cseq.Method == sip.INVITE && m.Status >= 200 && m.Status < 300 {
			l.handler.Orphan(m)
		}
		return
	}
	c.Receive(m)
}

func (l *Layer) request(m *sip.Message, from transport.Source) {
	key, viaPort, err := keyOf(m)
	if err != nil {
		return
	}
	if m.Method == sip.ACK {
		key.method = sip.INVITE
		if s, ok := l.servers.get(key); ok && s.ack() {
			return
		}
		l.handler.Ack(m)
		return
	}
	if s, ok := l.servers.get(key); ok {
		s.again()
		return
	}
	if data, ok := l.answered.get(key); ok {
		l.reply(from, viaPort, data)
		return
	}
	in := &Incoming{Msg: m, From: from, layer: l, key: key, viaPort: viaPort}
	if m.Method == sip.CANCEL {
		l.cancel(in)
		return
	}
	l.handler.Request(in)
}

// cancel answers a CANCEL (RFC 3261 section 9.2): 200 when its INVITE is known
// here, else 481, without state, for the answer is always the same.
func (l *Layer) cancel(in *Incoming) {
	key := in.key
	key.method = sip.INVITE
	s, ok := l.servers.get(key)
	if !ok {
		in.Reply(sip.NewResponse(in.Msg, 481, "", in.Tag()))
		return
	}
	in.Reply(sip.NewResponse(in.Msg, 200, "", in.Tag()))
	s.cancelled()
}

// Incoming is a request that belongs to no transaction yet.
type Incoming struct {
	Msg  *sip.Message
	From transport.Source

	layer   *Layer
	key     serverKey
	viaPort int
}

// Tag is the To tag for an answer without state: the same for each copy of the
// request (RFC 3261 section 8.2.7), and nothing that others could foresee.
func (in *Incoming) Tag() string {
	var h maphash.Hash
	h.SetSeed(in.layer.seed)
	for _, f := range [...]sip.Header{sip.Via, sip.From, sip.To, sip.CallID, sip.CSeq} {
		h.WriteString(in.Msg.Get(f))
		h.WriteByte(0)
	}
	return strconv.FormatUint(h.Sum64(), 16)
}

// Reply answers without keeping state: a retransmission of the request will be
// handed to the Handler again.
func (in *Incoming) Reply(resp *sip.Message) {
	if in.viaPort == 0 {
		if v, err := in.Msg.Via(); err == nil {
			in.viaPort = viaPort(v)
		}
	}
	in.layer.reply(in.From, in.viaPort, resp.Bytes())
}

// reply sends a response. That it cannot be sent is only noted: the request comes again.
func (l *Layer) reply(to transport.Source, viaPort int, data []byte) {
	if err := l.transport.Reply(to, viaPort, data); err != nil {
		l.log.Debug("response not sent", "peer", to.Addr.String(), "error", err)
	}
}
