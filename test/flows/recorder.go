package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sdp"
	"callcontroller/internal/sip"
)

// recorder makes rows of what the proxy sees. Its methods may be called by any
// goroutine.
type recorder struct {
	mu      sync.Mutex
	rows    []row
	last    time.Time            // when the last row came
	ends    map[string][2]string // Call-ID: who placed the call, and whom it reached
	owner   map[int]string       // media port: whose it is
	seen    map[string]bool      // a message that comes again is drawn once
	refused map[string]bool      // an INVITE: its ACK is a matter of each hop
	offered map[string]bool      // an INVITE: it carried the offer
}

func newRecorder() *recorder {
	return &recorder{
		ends: make(map[string][2]string), owner: make(map[int]string), seen: make(map[string]bool),
		refused: make(map[string]bool), offered: make(map[string]bool),
	}
}

// note draws a line about what people do.
func (r *recorder) note(text string) { r.add(row{text: "(" + text + ")"}) }

func (r *recorder) add(rows ...row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, rows...)
	r.last = time.Now()
}

func (r *recorder) all() []row {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows)
}

// quiet tells that nothing has come for that long.
func (r *recorder) quiet(d time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.last) > d
}

// message takes what the proxy traces. A row is made when it sends a message on; what
// it receives only tells who is at the other end.
func (r *recorder) message(t sandbox.Traced) {
	cseq, err := t.Msg.CSeq()
	if err != nil || hopOnly(t.Msg, cseq) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id, peer := t.Msg.Get(sip.CallID), user(t)
	invite := id + "/" + strconv.FormatUint(uint64(cseq.Seq), 10)
	if cseq.Method == sip.INVITE && t.Msg.Status >= 300 {
		r.refused[invite] = true // The proxy sends its ACK before it passes the refusal on.
	}
	ends, known := r.ends[id]
	switch {
	case !t.Sent:
		if !known {
			r.ends[id] = [2]string{peer}
		}
		return
	case known && ends[1] == "":
		ends[1] = peer
		r.ends[id] = ends
	}
	from := ends[0]
	if peer == from {
		from = ends[1]
	}
	once := invite + t.Msg.Method + strconv.Itoa(t.Msg.Status) + cseq.Method + from
	if r.seen[once] || t.Msg.Method == sip.ACK && r.refused[invite] {
		return
	}
	r.seen[once] = true
	line := row{from: from, to: peer, text: r.outline(t.Msg, cseq.Method, invite, from)}
	if cseq.Method != sip.INVITE && cseq.Method != sip.ACK {
		line.request = invite + cseq.Method + r.asker(t.Msg, from, peer)
	}
	r.rows = append(r.rows, line)
	r.last = time.Now()
}

// asker is who sent the request that a message is, or answers: both sides of a dialog
// count on their own.
func (r *recorder) asker(m *sip.Message, from, to string) string {
	if m.IsRequest() {
		return from
	}
	return to
}

// user is the other end of a traced hop.
func user(t sandbox.Traced) string {
	if t.User == "" {
		return server
	}
	return t.User
}

// hopOnly tells what never passes the proxy, and what is no part of a call.
func hopOnly(m *sip.Message, cseq sip.CSeqValue) bool {
	switch {
	case cseq.Method == sip.REGISTER:
		return true
	case m.IsRequest():
		return false
	}
	return m.Status == 100 || m.Status == 401 || m.Status == 407 || cseq.Method == sip.CANCEL
}

// outline is what matters of a message, on one line.
func (r *recorder) outline(m *sip.Message, method, invite, from string) string {
	parts := []string{head(m, method)}
	if method == sip.INVITE || method == sip.ACK {
		if about := r.media(m, invite, from); about != "" {
			parts = append(parts, about)
		}
	}
	switch m.Method {
	case sip.REFER:
		if a, err := sip.ParseNameAddr(m.Get(sip.ReferTo)); err == nil {
			parts = append(parts, "Refer-To: "+a.URI.User)
		}
	case sip.NOTIFY:
		first, _, _ := strings.Cut(string(m.Body), "\r\n")
		parts = append(parts, first)
	}
	if m.Has(sip.Reason) {
		parts = append(parts, "Reason: "+m.Get(sip.Reason))
	}
	return strings.Join(parts, "   ")
}

// head is the method, or the status.
func head(m *sip.Message, method string) string {
	switch {
	case m.IsResponse() && method == sip.INVITE:
		return fmt.Sprintf("%d %s", m.Status, m.Reason)
	case m.IsResponse():
		return fmt.Sprintf("%d %s (%s)", m.Status, m.Reason, method)
	case m.Method == sip.INVITE && m.ToTag() != "":
		return "re-INVITE"
	default:
		return m.Method
	}
}

// media tells whose session description a message of an INVITE carries. Who is first
// to name a port owns it; who names it later only passes it on.
func (r *recorder) media(m *sip.Message, invite, from string) string {
	media, err := sdp.ParseOffer(m.Body)
	if err != nil || len(media) == 0 {
		if m.Method == sip.INVITE {
			return "no SDP"
		}
		return ""
	}
	owner, known := r.owner[media[0].Port]
	if !known {
		owner = from
		r.owner[media[0].Port] = from
	}
	kind := "answer"
	if m.Method == sip.INVITE || m.IsResponse() && !r.offered[invite] {
		kind = "offer"
	}
	r.offered[invite] = true
	if owner == server {
		return kind + ": the sink"
	}
	return kind + " of " + owner
}
