package sandbox

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
)

// errReferTo tells that a Refer-To is not what a phone can dial.
var errReferTo = errors.New("Refer-To is not a SIP URI for an INVITE")

// refer follows a REFER (RFC 3515 section 2.4): the phone calls the target and
// reports how that goes.
func (c *phoneCall) refer(s *dialog.Session, r *dialog.Request) {
	if status := c.phone.o.RefuseRefer; status != 0 {
		c.phone.sayf("refuses the REFER: %d %s", status, sip.ReasonPhrase(status))
		r.Respond(status, nil, "", nil)
		return
	}
	target, err := referTarget(r.Msg)
	cseq, err2 := r.Msg.CSeq()
	if err = errors.Join(err, err2); err != nil {
		r.Respond(400, []sip.Field{warning(err)}, "", nil)
		return
	}
	var fields []sip.Field
	if by := r.Msg.Get(sip.ReferredBy); by != "" {
		fields = append(fields, field(sip.ReferredBy, strings.Clone(by)))
	}
	c.phone.sayf("is asked to call %s", target)
	r.Respond(202, nil, "", nil)
	u := c.subscribe(s, cseq.Seq)
	u.tell(100, sip.ReasonPhrase(100))
	if err := c.phone.dial(target, fields, u); err != nil {
		u.tell(486, sip.ReasonPhrase(486))
	}
}

// referTarget reads whom to call. Header parts of the URI are left out: the phone
// knows none that it would add to its INVITE.
func referTarget(req *sip.Message) (sip.URI, error) {
	a, err := sip.ParseNameAddr(req.Get(sip.ReferTo))
	if err != nil {
		return sip.URI{}, errors.Join(errReferTo, err)
	}
	method, given := a.URI.Params.Get("method")
	if !a.URI.IsSIP() || given && method != sip.INVITE {
		return sip.URI{}, errReferTo
	}
	u := a.URI
	u.Headers, u.Params = "", ""
	for name, value := range a.URI.Params.All() {
		if !strings.EqualFold(name, "method") {
			u.Params = u.Params.With(name, value)
		}
	}
	return u, nil
}

// subscription is the one that a REFER makes (RFC 3515 section 2.4.4). Its NOTIFYs
// leave one after the other, each when the one before was answered, so that they
// cannot overtake each other. A nil subscription is told in vain.
type subscription struct {
	call    *phoneCall
	session *dialog.Session
	event   string

	mu      sync.Mutex
	sending bool
	over    bool // nothing more is taken in
	waiting []fragment
}

// fragment is one report: the status line of a response.
type fragment struct {
	line  string
	final bool
}

func (c *phoneCall) subscribe(s *dialog.Session, seq uint32) *subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.following++
	return &subscription{call: c, session: s, event: "refer;id=" + strconv.FormatUint(uint64(seq), 10)}
}

// tell reports a status; one of 200 or more is the last.
func (u *subscription) tell(status int, phrase string) {
	if u == nil {
		return
	}
	u.mu.Lock()
	if u.over {
		u.mu.Unlock()
		return
	}
	u.over = status >= 200
	u.waiting = append(u.waiting, fragment{statusLine(status, phrase), u.over})
	idle := !u.sending
	u.sending = true
	u.mu.Unlock()
	if idle {
		u.next()
	}
}

// next sends the next report.
func (u *subscription) next() {
	u.mu.Lock()
	if len(u.waiting) == 0 {
		u.sending = false
		u.mu.Unlock()
		return
	}
	f := u.waiting[0]
	u.waiting = u.waiting[1:]
	u.mu.Unlock()
	state := "active;expires=60"
	if f.final {
		state = "terminated;reason=noresource"
	}
	u.call.phone.sayf("reports %s", f.line)
	u.session.Send(dialog.Sent{
		Method:      sip.NOTIFY,
		Fields:      []sip.Field{field(sip.Event, u.event), field(sip.SubscriptionState, state)},
		ContentType: "message/sipfrag;version=2.0",
		Body:        []byte(f.line + "\r\n"),
		Done:        func(resp *sip.Message, err error) { u.notified(f, resp, err) },
	})
}

// notified goes on when a report was taken. A referrer who does not know the
// subscription, or does not answer, gets no more (RFC 6665 section 4.2.2).
func (u *subscription) notified(f fragment, resp *sip.Message, err error) {
	if !f.final && err == nil && resp.Status < 300 {
		u.next()
		return
	}
	u.mu.Lock()
	u.over, u.waiting = true, nil
	u.mu.Unlock()
	c := u.call
	c.mu.Lock()
	c.following--
	c.mu.Unlock()
	c.letGo(u.session)
}
