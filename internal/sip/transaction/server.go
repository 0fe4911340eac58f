package transaction

import (
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// Server is a server transaction (RFC 3261 figures 7 and 8, RFC 6026 figure 3):
//
//	INVITE:     proceeding -> accepted (2xx) -> terminated
//	                 \-> completed (3xx-6xx) -> confirmed -> terminated
//	non-INVITE: proceeding (there: trying, proceeding) -> completed -> terminated
type Server struct {
	layer   *Layer
	key     serverKey
	from    transport.Source
	viaPort int

	mu       sync.Mutex
	state    serverState
	last     []byte // the response that answers a retransmission
	interval time.Duration
	events   ServerEvents

	retransmit, timeout timing.Timer
}

type serverState uint8

const (
	serverProceeding serverState = iota
	serverCompleted
	serverConfirmed
	serverAccepted
	serverTerminated
)

// ServerEvents are what the user of an INVITE server transaction may want to hear;
// any may be nil. They are called on a read loop or the timing wheel.
type ServerEvents struct {
	Cancelled func()               // a CANCEL came (and was answered) before the final response
	Failed    func(*Server, error) // ErrNoAck: the final response was never acknowledged
}

// Accept takes the request into a transaction: from now on its retransmissions are
// absorbed here. It returns nil when another read loop was faster.
func (in *Incoming) Accept(events ServerEvents) *Server {
	s := &Server{layer: in.layer, key: in.key.clone(), from: in.From, viaPort: in.viaPort, events: events}
	if !in.layer.servers.add(s.key, s) {
		return nil
	}
	if in.layer.answered.has(s.key) {
		in.layer.servers.remove(s.key)
		return nil
	}
	return s
}

// Respond sends a response in the transaction. After the first final one all
// others are dropped.
//
// A 2xx to an INVITE is repeated until Acked, as RFC 3261 section 13.3.1.4 asks of
// the transaction user: the timers and the bytes are here.
func (s *Server) Respond(resp *sip.Message) {
	data := resp.Bytes()
	s.mu.Lock()
	if s.state != serverProceeding {
		s.mu.Unlock()
		return
	}
	s.last = data
	if resp.Status >= 200 {
		s.finish(resp.Status)
	}
	s.mu.Unlock()
	s.send(data)
}

// finish chooses the state and timers behind a final response; s.mu is held.
func (s *Server) finish(status int) {
	w, reliable := s.layer.wheel, s.from.Protocol.Reliable()
	switch {
	case s.key.method != sip.INVITE && reliable:
		s.release()
		return
	case s.key.method != sip.INVITE:
		if s.layer.answered.add(s.key, s.last) { // Before it goes: a retransmission may come now.
			s.release()
			return
		}
		s.state, s.events = serverCompleted, ServerEvents{}
		w.Start(&s.timeout, Timeout, s, timerTimeout) // Timer J.
		return
	case status < 300:
		s.state = serverAccepted
	default:
		s.state = serverCompleted
	}
	s.interval = T1
	if status < 300 || !reliable {
		w.Start(&s.retransmit, T1, s, timerRetransmit) // Timer G, and section 13.3.1.4.
	}
	w.Start(&s.timeout, Timeout, s, timerTimeout) // Timers H and L.
}

func (s *Server) send(data []byte) { s.layer.reply(s.from, s.viaPort, data) }

// again answers a retransmission of the request. In the accepted state the 2xx is
// repeated by its own timer only (RFC 6026 section 7.1).
func (s *Server) again() {
	s.mu.Lock()
	data := s.last
	if s.state == serverAccepted || s.state == serverConfirmed {
		data = nil
	}
	s.mu.Unlock()
	if data != nil {
		s.send(data)
	}
}

// ack takes an ACK of the same branch; false means that it is none of this
// transaction's business.
func (s *Server) ack() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == serverConfirmed:
	case s.state != serverCompleted:
		return false
	case s.from.Protocol.Reliable():
		s.release()
	default:
		s.state, s.last = serverConfirmed, nil
		s.layer.wheel.Stop(&s.retransmit)
		s.layer.wheel.Start(&s.timeout, T4, s, timerTimeout) // Timer I.
	}
	return true
}

// Acked tells the transaction that its 2xx was acknowledged.
func (s *Server) Acked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == serverAccepted {
		s.last = nil
		s.events = ServerEvents{}
		s.layer.wheel.Stop(&s.retransmit)
	}
}

func (s *Server) cancelled() {
	s.mu.Lock()
	tell := s.events.Cancelled
	if s.state != serverProceeding {
		tell = nil
	}
	s.mu.Unlock()
	if tell != nil {
		tell()
	}
}

// Fired implements timing.Owner.
func (s *Server) Fired(id uint8) {
	s.mu.Lock()
	unacked := s.last != nil && s.key.method == sip.INVITE && (s.state == serverCompleted || s.state == serverAccepted)
	data, tell := s.last, s.events.Failed
	switch {
	case id == timerTimeout:
		s.release()
	case unacked:
		s.interval = min(2*s.interval, T2)
		s.layer.wheel.Start(&s.retransmit, s.interval, s, timerRetransmit)
	}
	s.mu.Unlock()
	switch {
	case !unacked:
	case id == timerRetransmit:
		s.send(data)
	case tell != nil:
		tell(s, ErrNoAck)
	}
}

// release takes the transaction out of the layer; s.mu is held.
func (s *Server) release() {
	s.layer.wheel.Stop(&s.retransmit)
	s.layer.wheel.Stop(&s.timeout)
	s.state, s.last, s.events = serverTerminated, nil, ServerEvents{}
	s.layer.servers.remove(s.key)
}
