package load

import (
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// outcome is how a call has ended.
type outcome int

const (
	running outcome = iota
	completed
	refused // the server takes no more calls, and says so
	failed
)

// call is one call with both its phones.
type call struct {
	mu     sync.Mutex
	number int

	start, answered time.Time // of the HTTP request
	second          time.Time // the REFER or the second INVITE came
	reached         time.Time // connected, or for a REFER the end
	hungUp          bool      // the calling phone has sent BYE,
	over            bool      // and it was answered
	early           bool      // the server hung up before the last NOTIFY
	legs            [2]leg
	hold            func() // what makes a standing call go on

	outcome outcome
	why     string
	stands  chan struct{}
	done    chan struct{}
}

// finish ends a call, once; c.mu is held.
func (c *call) finish(o outcome, why string) {
	if c.outcome != running {
		return
	}
	c.outcome, c.why = o, why
	c.done <- struct{}{}
}

// tag is that of a phone.
func (c *call) tag(s side) string { return string(s.letter()) + strconv.Itoa(c.number) }

// request handles a request of the server at one of the phones; c.mu is held.
func (r *run) request(c *call, s side, m *message, from netip.AddrPort) {
	l := &c.legs[s]
	if len(m.body) > 0 && r.phones.hasMedia(m.body, 1-s, c.number) {
		l.told = true
	}
	switch string(m.method) {
	case "INVITE":
		r.invite(c, s, m, from)
	case "ACK":
		if settle(&l.answer) {
			l.acks++
			r.connected(c)
		} else {
			r.repeatsIn.Add(1)
		}
	case "REFER":
		r.refer(c, s, m, from)
	case "BYE":
		r.bye(c, s, m, from)
	default:
		r.reply(c, s, m, from, "200 OK")
	}
}

func (r *run) reply(c *call, s side, m *message, from netip.AddrPort, status string) {
	extra := "Contact: <" + r.phones.uri(s, c.number) + ">\r\n"
	r.phones.send(s, from, m.appendResponse(nil, status, c.tag(s), extra, ""))
}

func (r *run) invite(c *call, s side, m *message, from netip.AddrPort) {
	l := &c.legs[s]
	branch := string(m.branch())
	if branch == l.branch {
		r.repeatsIn.Add(1)
		return // the 2xx is sent again by itself
	}
	l.branch = branch
	if l.invited.IsZero() {
		l.learn(m, from, c.tag(s))
		if s == called {
			c.second = l.invited
		}
	}
	if len(m.contact) > 0 {
		l.target = string(between(m.contact, "<", ">"))
	}
	answer := r.answer(c, s, m, from)
	if r.Ring && s == calling && l.answers == 0 {
		r.reply(c, s, m, from, "180 Ringing")
		r.stand(c, func() { r.take(c, s, answer) })
		return
	}
	r.take(c, s, answer)
}

func (r *run) answer(c *call, s side, m *message, from netip.AddrPort) *packet {
	extra := "Contact: <" + r.phones.uri(s, c.number) + ">\r\nAllow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY, UPDATE, OPTIONS\r\n" +
		"Content-Type: application/sdp\r\n"
	return &packet{side: s, to: from, data: m.appendResponse(nil, "200 OK", c.tag(s), extra, r.phones.sdp(s, c.number))}
}

// take answers an INVITE.
func (r *run) take(c *call, s side, answer *packet) {
	l := &c.legs[s]
	settle(&l.answer)
	l.answer = answer
	l.answers++
	r.phones.sendReliably(answer)
}

// stand has a call wait for Hold, if there is one; c.mu is held.
func (r *run) stand(c *call, goOn func()) {
	if r.Hold == nil {
		goOn()
		return
	}
	c.hold = goOn
	c.stands <- struct{}{}
}

// connected looks whether both phones talk to each other now.
func (r *run) connected(c *call) {
	a, b := &c.legs[calling], &c.legs[called]
	if r.Flow != Invite || !c.reached.IsZero() || !a.settled() || !b.settled() {
		return
	}
	c.reached = time.Now()
	r.stand(c, func() {
		if c.outcome == running && !a.gone {
			c.hungUp = true
			r.ask(c, calling, "BYE", "", "")
		}
	})
}

// settled tells whether each 2xx has its ACK, and the other phone's media are known.
func (l *leg) settled() bool { return l.acks > 0 && l.acks >= l.answers && l.told }

func (r *run) refer(c *call, s side, m *message, from netip.AddrPort) {
	r.reply(c, s, m, from, "202 Accepted")
	l := &c.legs[s]
	if !l.referred.IsZero() {
		r.repeatsIn.Add(1)
		return
	}
	l.referred = time.Now()
	c.second = l.referred
	r.ask(c, s, "NOTIFY", "Event: refer\r\nSubscription-State: active;expires=60\r\n"+sipfrag, "SIP/2.0 100 Trying\r\n")
}

const sipfrag = "Content-Type: message/sipfrag;version=2.0\r\n"

func (r *run) bye(c *call, s side, m *message, from netip.AddrPort) {
	r.reply(c, s, m, from, "200 OK")
	l := &c.legs[s]
	if l.gone {
		r.repeatsIn.Add(1)
		return
	}
	l.gone = true
	switch {
	case r.Flow == Invite:
		r.ended(c)
	case l.referred.IsZero():
		c.finish(failed, "BYE before REFER")
	default:
		c.early, c.reached = !l.reported, time.Now()
		c.finish(completed, "")
	}
}

// ended looks whether a call of flow Invite is over for both phones.
func (r *run) ended(c *call) {
	if !c.legs[called].gone || !c.over && !c.legs[calling].gone {
		return
	}
	if c.reached.IsZero() {
		c.finish(failed, "hung up before it was connected")
		return
	}
	c.finish(completed, "")
}

// response handles an answer of the server to a phone's request; c.mu is held.
func (r *run) response(c *call, s side, m *message) {
	l := &c.legs[s]
	if m.code < 200 || l.request == nil || l.request.branch != string(m.branch()) {
		return
	}
	settle(&l.request)
	switch string(m.of()) {
	case "BYE":
		c.over = true
		r.ended(c)
	case "NOTIFY":
		if m.code >= 300 {
			r.badAnswers.Add(1)
		}
		if l.reported || l.gone || c.outcome != running {
			return
		}
		l.reported = true
		r.ask(c, s, "NOTIFY", "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n"+sipfrag, "SIP/2.0 200 OK\r\n")
	}
}

// ask sends a request of a phone.
func (r *run) ask(c *call, s side, method, extra, body string) {
	l := &c.legs[s]
	settle(&l.request)
	p := &packet{side: s, to: l.peer, branch: r.phones.branch(s, c.number, l.cseq+1)}
	p.data = l.appendRequest(make([]byte, 0, 700), method, r.phones.address(s), p.branch, r.phones.uri(s, c.number), extra, body)
	l.request = p
	r.phones.sendReliably(p)
}
