package transport

import "sync/atomic"

// Stats is what a Layer has counted since New, and what is open now.
type Stats struct {
	Received        uint64 // messages given to the handler
	Sent            uint64 // messages that the system took
	SendErrors      uint64 // messages that it did not take, or that were queued in vain
	ParseErrors     uint64 // datagrams and stream messages that are no SIP, streams without framing
	KeepAlives      uint64 // datagrams that are empty or only line ends, stream pings
	NotSIP          uint64 // datagrams that look like STUN or another binary protocol
	Accepted        uint64 // inbound connections taken
	Dialled         uint64 // outbound connections made
	Rejected        uint64 // inbound connections closed at once because of a limit
	TimedOut        uint64 // connections closed for being idle or too slow
	OpenConnections int    // inbound and outbound, those being dialled included
}

type counters struct {
	received, sent, sendErrors, parseErrors atomic.Uint64
	keepAlives, notSIP                      atomic.Uint64
	accepted, dialled, rejected, timedOut   atomic.Uint64
}

// Stats gives the counters as they are now.
func (l *Layer) Stats() Stats {
	c := &l.count
	return Stats{
		Received: c.received.Load(), Sent: c.sent.Load(), SendErrors: c.sendErrors.Load(),
		ParseErrors: c.parseErrors.Load(), KeepAlives: c.keepAlives.Load(), NotSIP: c.notSIP.Load(),
		Accepted: c.accepted.Load(), Dialled: c.dialled.Load(), Rejected: c.rejected.Load(),
		TimedOut: c.timedOut.Load(), OpenConnections: l.conns.open(),
	}
}
