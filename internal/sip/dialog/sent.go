package dialog

import (
	"strconv"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
)

// Sent describes a request inside a dialog.
type Sent struct {
	Method      string
	Fields      []sip.Field
	ContentType string
	Body        []byte
	// Sending is told the CSeq number of each try before it leaves; may be nil.
	Sending func(seq uint32)
	// Done gets the final response, or the error of transaction.User.Failed; may
	// be nil. Provisional responses and answered challenges are not told.
	Done func(resp *sip.Message, err error)
}

// Send sends a request in the session's dialog. Challenges are answered as those
// of the INVITE are (RFC 3261 section 22).
func (s *Session) Send(r Sent) {
	s.mu.Lock()
	d, hop := s.dialog, s.hop
	s.mu.Unlock()
	if d == nil {
		if r.Done != nil {
			r.Done(nil, transaction.ErrTransport)
		}
		return
	}
	if r.Method == sip.BYE {
		s.end()
	}
	s.sendIn(d, hop, r)
}

func (s *Session) sendIn(d *Dialog, hop []transport.Target, r Sent) {
	q := &requester{session: s, dialog: d, hop: hop, sent: r}
	q.auth = s.ua.attempt(s.account, hop, s.bound)
	q.send(nil, true)
}

// requester carries one request inside a dialog through its challenges.
type requester struct {
	session *Session
	dialog  *Dialog
	hop     []transport.Target
	sent    Sent
	auth    *digest.Attempt
	uri     string // Request-URI of the last try
}

// send makes and sends the request anew, with the next CSeq number.
func (q *requester) send(credentials []digest.Field, first bool) {
	s := q.session
	s.mu.Lock()
	req := q.dialog.request(q.sent.Method)
	seq := q.dialog.localSeq
	s.mu.Unlock()
	q.uri = req.RequestURI
	if first {
		credentials = preemptive(q.auth, q.sent.Method, q.uri)
	}
	if q.sent.Method != sip.BYE {
		req.Add(sip.Contact, s.contact)
		req.Add(sip.Allow, s.ua.allow)
	}
	req.Add(sip.UserAgent, s.ua.config.UserAgent)
	req.Fields = append(req.Fields, q.sent.Fields...)
	addCredentials(req, credentials)
	if len(q.sent.Body) > 0 {
		req.Add(sip.ContentType, q.sent.ContentType)
		req.Body = q.sent.Body
	}
	if q.sent.Sending != nil {
		q.sent.Sending(seq)
	}
	if _, err := s.ua.layer.Request(req, q.hop, q); err != nil {
		q.done(nil, err)
	}
}

func (q *requester) done(resp *sip.Message, err error) {
	if q.sent.Done != nil {
		q.sent.Done(resp, err)
	}
}

// Failed implements transaction.User.
func (q *requester) Failed(_ *transaction.Client, err error) { q.done(nil, err) }

// Response implements transaction.User.
func (q *requester) Response(_ *transaction.Client, resp *sip.Message) {
	if resp.Status < 200 {
		return
	}
	if resp.Status != 401 && resp.Status != 407 || q.tooLate() {
		q.done(resp, nil)
		return
	}
	credentials, err := q.session.answer(q.auth, resp, q.sent.Method, q.uri)
	if err != nil {
		q.session.ua.config.Log.Warn("SIP challenge not answered", "sip_call_id", q.session.sipCallID,
			"method", q.sent.Method, "status", resp.Status, "error", err)
		q.done(resp, nil)
		return
	}
	q.send(credentials, false)
}

// tooLate tells that a BYE has ended the dialog meanwhile, in which a REFER would
// still make a phone dial.
func (q *requester) tooLate() bool {
	q.session.mu.Lock()
	defer q.session.mu.Unlock()
	return q.session.ended && q.sent.Method != sip.BYE
}

// attempt is the digest state of a request to hop, nil when the credentials are
// not for it: they are answered only to the next hop for which they were
// configured, never to another host that asks (row U17).
func (ua *UA) attempt(c digest.Credentials, hop []transport.Target, bound transport.Target) *digest.Attempt {
	if c.Username == "" || !isBound(hop, bound) {
		return nil
	}
	return ua.nonces.NewAttempt(c, bound.Addr.String())
}

// isBound tells whether a request to hop goes to the host that bound names.
func isBound(hop []transport.Target, bound transport.Target) bool {
	return len(hop) > 0 && bound.Addr.IsValid() && hop[0].Addr == bound.Addr
}

func preemptive(a *digest.Attempt, method, uri string) []digest.Field {
	if a == nil {
		return nil
	}
	return a.Preemptive(method, uri)
}

// answer makes the credentials for a 401 or 407.
func (s *Session) answer(a *digest.Attempt, resp *sip.Message, method, uri string) ([]digest.Field, error) {
	switch {
	case s.account.Username == "":
		return nil, errNoAccount
	case a == nil:
		return nil, errNotBound
	}
	var challenges []digest.Field
	for _, f := range resp.Fields {
		if f.Header == sip.WWWAuthenticate || f.Header == sip.ProxyAuthenticate {
			challenges = append(challenges, digest.Field{Name: f.Header.String(), Value: f.Value})
		}
	}
	return a.RetryFields(challenges, method, uri)
}

func addCredentials(req *sip.Message, credentials []digest.Field) {
	for _, f := range credentials {
		req.AddOther(f.Name, f.Value)
	}
}

// Reason makes a Reason field of protocol SIP (RFC 3326 section 2) for a BYE or
// CANCEL. An empty text stands for the usual phrase of status.
func Reason(status int, text string) sip.Field {
	if text == "" {
		text = sip.ReasonPhrase(status)
	}
	return field(sip.Reason, "SIP;cause="+strconv.Itoa(status)+";text="+sip.Quote(text))
}
