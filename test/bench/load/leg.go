package load

import (
	"bytes"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// Side says which phone: the calling one or the called one.
type side int

const (
	calling side = 0
	called  side = 1
)

func (s side) letter() byte { return "ab"[s] }

// leg is one phone's part of a call. The call's lock guards it.
type leg struct {
	invited time.Time // the first INVITE came
	branch  string    // of the last INVITE
	answers int       // INVITEs answered 2xx
	acks    int
	told    bool // the other phone's media address has come

	callID, local, remote, target string
	routes                        []string
	peer                          netip.AddrPort
	cseq                          int

	answer  *packet // the 2xx that has no ACK yet
	request *packet // the request of ours that has no answer yet

	referred time.Time // the REFER came
	reported bool      // its last NOTIFY is sent
	gone     bool      // a BYE came
}

// packet is what is sent again until it is settled.
type packet struct {
	side    side
	to      netip.AddrPort
	data    []byte
	branch  string
	next    time.Time
	wait    time.Duration
	settled atomic.Bool
}

// settle ends a packet's repetition, and tells whether it was under way.
func settle(p **packet) bool {
	if *p == nil {
		return false
	}
	(*p).settled.Store(true)
	*p = nil
	return true
}

// learn takes what the first INVITE of a dialog says.
func (l *leg) learn(m *message, from netip.AddrPort, tag string) {
	l.invited = time.Now()
	l.callID, l.remote, l.local, l.peer = string(m.callID), string(m.from), string(m.to), from
	if !bytes.Contains(m.to, []byte(";tag=")) {
		l.local += ";tag=" + tag
	}
	for _, r := range m.recordRoute {
		l.routes = append(l.routes, string(r))
	}
}

// appendRequest writes a request in the leg's dialog.
func (l *leg) appendRequest(b []byte, method, via, branch, contact, extra, body string) []byte {
	l.cseq++
	b = append(append(append(append(b, method...), ' '), l.target...), " SIP/2.0\r\nVia: SIP/2.0/UDP "...)
	b = append(append(append(append(b, via...), ";branch="...), branch...), "\r\nMax-Forwards: 70\r\n"...)
	for _, r := range l.routes {
		b = append(append(append(b, "Route: "...), r...), "\r\n"...)
	}
	b = append(append(append(b, "From: "...), l.local...), "\r\nTo: "...)
	b = append(append(append(b, l.remote...), "\r\nCall-ID: "...), l.callID...)
	b = append(b, "\r\nCSeq: "...)
	b = strconv.AppendInt(b, int64(l.cseq), 10)
	b = append(append(append(b, ' '), method...), "\r\n"...)
	b = append(append(append(b, "Contact: <"...), contact...), ">\r\n"...)
	return appendBody(append(b, extra...), body)
}
