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
	// Done gets the final response, or the error of transaction.User.Failed, once;
	// may be nil. Provisional responses and answered challenges are not told.
	Done func(resp *sip.Message, err error)
}

// Send sends a request in the session's dialog. Challenges are answered as those
// of the INVITE are (RFC 3261 section 22). The 2xx to a re-INVITE is for the caller to
// acknowledge, by Ack, unless a BYE has ended the dialog.
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

	// session.mu guards these.
	seq     uint32         // CSeq number of the last try
	answers []digest.Field // what a re-INVITE carried last, for its ACK (section 22.1)
	over    bool           // the final response has come, or none will
}

// send makes and sends the request anew, with the next CSeq number.
func (q *requester) send(credentials []digest.Field, first bool) {
	s := q.session
	s.mu.Lock()
	if q.over {
		s.mu.Unlock()
		return // A 2xx came behind the challenge.
	}
	q.dialog.localSeq++
	seq := q.dialog.localSeq
	req := s.request(q.dialog, q.sent.Method, seq)
	if first {
		credentials = preemptive(q.auth, q.sent.Method, req.RequestURI)
	}
	if q.seq = seq; q.sent.Method == sip.INVITE {
		q.answers = credentials
	}
	s.mu.Unlock()
	q.uri = req.RequestURI
	q.complete(req, credentials)
	if q.sent.Sending != nil {
		q.sent.Sending(seq)
	}
	if _, err := s.ua.layer.Request(req, q.hop, q); err != nil {
		q.done(nil, err)
	}
}

// complete adds what the dialog does not say.
func (q *requester) complete(req *sip.Message, credentials []digest.Field) {
	s := q.session
	if q.sent.Method != sip.BYE {
		req.Add(sip.Contact, s.contact)
		req.Add(sip.Allow, s.ua.allow)
	}
	if offers(req) {
		req.Add(sip.Supported, timerTag)
	}
	req.Add(sip.UserAgent, s.ua.config.UserAgent)
	req.Fields = append(req.Fields, q.sent.Fields...)
	addCredentials(req, credentials)
	if len(q.sent.Body) > 0 {
		req.Add(sip.ContentType, q.sent.ContentType)
		req.Body = q.sent.Body
	}
}

// done tells the User how the request ended, once. What it was made from is let go
// of, for its transaction lives on for a while.
func (q *requester) done(resp *sip.Message, err error) {
	q.session.mu.Lock()
	tell := q.sent.Done
	q.over, q.answers = true, nil
	q.sent.Done, q.sent.Fields, q.sent.Body = nil, nil, nil
	q.session.mu.Unlock()
	if tell != nil {
		tell(resp, err)
	}
}

// Failed implements transaction.User.
func (q *requester) Failed(_ *transaction.Client, err error) { q.done(nil, err) }

// Ended implements transaction.Ender.
func (q *requester) Ended(c *transaction.Client) { q.session.Ended(c) }

// Response implements transaction.User.
func (q *requester) Response(c *transaction.Client, resp *sip.Message) {
	success := resp.Status < 300
	switch {
	case resp.Status < 200:
	case success && q.sent.Method == sip.INVITE:
		q.accepted(c, resp)
	case success && q.sent.Method == sip.UPDATE:
		q.session.refresh(resp, func() { q.done(resp, nil) })
	case resp.Status == 401 || resp.Status == 407:
		q.challenged(resp)
	default:
		q.done(resp, nil)
	}
}

// challenged sends the request again with the credentials that the response asks
// for, or takes it for the refusal that it then is.
func (q *requester) challenged(resp *sip.Message) {
	if q.tooLate() {
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
func (ua *UA) attempt(c *digest.Credentials, hop []transport.Target, bound *transport.Target) *digest.Attempt {
	if c == nil || c.Username == "" || !isBound(hop, bound) {
		return nil
	}
	return ua.nonces.NewAttempt(*c, hop[0].Addr.String())
}

// isBound tells whether a request to hop goes to the host that bound names.
func isBound(hop []transport.Target, bound *transport.Target) bool {
	return len(hop) > 0 && bound != nil && hop[0].Addr == bound.Addr
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
	case s.account == nil || s.account.Username == "":
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
