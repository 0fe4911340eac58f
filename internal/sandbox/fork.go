package sandbox

import (
	"errors"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// Limits of an INVITE that is proxied.
const (
	// silence is how long a contact may say nothing at all before it no longer
	// counts: a phone that was switched off leaves its contact behind.
	silence = 8 * time.Second
	// ringing is how long it may ring (RFC 3261 section 16.6 step 11, timer C).
	ringing = 5 * time.Minute
)

// Timers of a fork.
const (
	timerSilence uint8 = iota
	timerRinging
)

// fork is an INVITE that rings at the contacts of a user (the response context of
// RFC 3261 section 16.7):
//
//	trying ----> answered: a 2xx was sent
//	  |   \          ^
//	  |    ending ---|  (a CANCEL, a 6xx or timer C: the phones were told)
//	  v      v
//	 refused: a final response above 2xx was sent, since no phone is left
type fork struct {
	proxy *Proxy
	user  string
	key   callKey
	in    *transaction.Incoming
	tx    *transaction.Server

	mu       sync.Mutex
	state    forkState
	branches []*branch
	winner   *branch      // whose 2xx was sent
	best     *sip.Message // the best refusal so far

	silence, ringing timing.Timer
}

type forkState uint8

const (
	trying forkState = iota
	ending
	answered
	refused
)

// branch is one contact of a fork. It implements transaction.User.
type branch struct {
	fork    *fork
	contact binding
	client  *transaction.Client // nil until the request has left
	heard   bool                // a response has come
	done    bool                // a final one has, or is not waited for
	unasked bool                // a CANCEL is wanted
}

// invite proxies an INVITE to the contacts of a user.
func (p *Proxy) invite(in *transaction.Incoming, user string, contacts []binding) {
	f := &fork{proxy: p, user: user, key: callOf(in.Msg), in: in}
	if status := p.calls.add(f.key, f); status != 0 {
		p.refuse(in, status, "")
		return
	}
	f.mu.Lock() // A CANCEL by another connection waits until f is whole.
	for _, c := range contacts {
		f.branches = append(f.branches, &branch{fork: f, contact: c})
	}
	f.tx = in.Accept(transaction.ServerEvents{Cancelled: f.cancelled, Failed: f.unacknowledged})
	f.mu.Unlock()
	if f.tx == nil {
		p.calls.remove(f.key) // The same request was worked on elsewhere.
		return
	}
	f.tx.Respond(sip.NewResponse(in.Msg, 100, "", ""))
	p.wheel.Start(&f.silence, silence, f, timerSilence)
	p.wheel.Start(&f.ringing, ringing, f, timerRinging)
	for _, b := range f.branches {
		b.send()
	}
}

// send lets one phone ring, unless another has answered already.
func (b *branch) send() {
	f := b.fork
	if f.stateNow() != trying {
		return
	}
	client, err := f.proxy.layer.Request(f.proxy.forward(f.in.Msg, b.contact), f.proxy.hops(b.contact), b)
	if err != nil {
		b.Failed(nil, err)
		return
	}
	f.mu.Lock()
	b.client = client
	late := b.unasked
	f.mu.Unlock()
	if late {
		client.Cancel()
	}
}

func (f *fork) stateNow() forkState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Response implements transaction.User.
func (b *branch) Response(_ *transaction.Client, resp *sip.Message) {
	m := b.fork.upward(resp)
	switch {
	case m.Status < 200:
		b.provisional(m)
	case m.Status < 300:
		b.success(m)
	default:
		b.refuse(m, true)
	}
}

// upward gives a response of a phone with the Via values of the caller's request.
func (f *fork) upward(resp *sip.Message) *sip.Message {
	m := &sip.Message{Status: resp.Status, Reason: resp.Reason, Body: resp.Body, Fields: make([]sip.Field, 0, len(resp.Fields)+2)}
	for v := range f.in.Msg.Values(sip.Via) {
		m.Add(sip.Via, v)
	}
	for _, field := range resp.Fields {
		if field.Header != sip.Via {
			m.Fields = append(m.Fields, field)
		}
	}
	return m
}

func (b *branch) provisional(m *sip.Message) {
	f := b.fork
	f.mu.Lock()
	b.heard = true
	pass := f.state == trying && m.Status > 100 // 100 is for one hop (section 16.7 step 5).
	f.mu.Unlock()
	if pass {
		f.tx.Respond(m)
	}
}

// success passes a 2xx on, whatever was sent before (section 16.7 step 5), and stops
// the other phones. That of the winner is repeated by the transaction.
func (b *branch) success(m *sip.Message) {
	f := b.fork
	f.mu.Lock()
	b.heard, b.done = true, true
	first := f.state == trying || f.state == ending
	if first {
		f.state, f.winner = answered, b
	}
	again := !first && f.winner == b
	f.mu.Unlock()
	switch {
	case first:
		f.stopTimers()
		f.tx.Respond(m)
		f.cancelAll(b, dialog.Reason(200, "Call completed elsewhere"))
	case !again:
		f.in.Reply(m) // Two phones were equally fast: the caller ends the call of one.
	}
}

// refuse notes a final response above 2xx, of the phone (heard) or for it. When no
// phone is left the best one is sent; after a 6xx all others are stopped.
func (b *branch) refuse(m *sip.Message, heard bool) {
	f := b.fork
	f.mu.Lock()
	b.heard = b.heard || heard
	if b.done || f.state == answered || f.state == refused {
		b.done = true
		f.mu.Unlock()
		return
	}
	b.done = true
	if f.best == nil || rank(m.Status) < rank(f.best.Status) {
		f.best = m
	}
	everywhere := m.Status >= 600 && f.state == trying
	if everywhere {
		f.state = ending
	}
	final := f.conclude()
	f.mu.Unlock()
	if everywhere && final == nil {
		f.cancelAll(b)
	}
	f.finish(final)
}

// rank orders refusals as section 16.7 step 6 does: 6xx first, then by class. What
// only says that a phone was not reached comes last in its class.
func rank(status int) int {
	switch {
	case status >= 600:
		return 0
	case status == 408 || status == 480 || status == 487 || status == 503:
		return status/100*2 + 1
	default:
		return status / 100 * 2
	}
}

// conclude gives the refusal to be sent when no phone is left, else nil; f.mu is
// held.
func (f *fork) conclude() *sip.Message {
	for _, b := range f.branches {
		if !b.done {
			return nil
		}
	}
	f.state = refused
	return f.best
}

// finish sends a refusal and forgets the call. It does nothing without one.
func (f *fork) finish(m *sip.Message) {
	if m == nil {
		return
	}
	f.stopTimers()
	f.proxy.calls.remove(f.key)
	f.tx.Respond(m)
}

func (f *fork) stopTimers() {
	f.proxy.wheel.Stop(&f.silence)
	f.proxy.wheel.Stop(&f.ringing)
}

// Failed implements transaction.User: silence is a 408, no way to the phone a 480.
// A connection that is no more takes its contact with it.
func (b *branch) Failed(_ *transaction.Client, err error) {
	f := b.fork
	status := 408
	if !errors.Is(err, transaction.ErrTimeout) {
		status = 480
		if b.contact.flow.Protocol.Reliable() && !errors.Is(err, transport.ErrClosed) {
			f.proxy.location.removeFlow(f.user, b.contact.flow)
		}
	}
	b.refuse(f.proxy.response(f.in.Msg, status, ""), false)
}

// cancelled takes the CANCEL of the caller.
func (f *fork) cancelled() { f.giveUp(487) }

// giveUp stops all phones and answers with that status, unless a phone has a better
// one. Those that were never heard of are not waited for.
func (f *fork) giveUp(status int) {
	f.mu.Lock()
	if f.state != trying {
		f.mu.Unlock()
		return
	}
	f.state, f.best = ending, f.proxy.response(f.in.Msg, status, "")
	for _, b := range f.branches {
		b.done = b.done || !b.heard
	}
	final := f.conclude()
	f.mu.Unlock()
	f.cancelAll(nil)
	f.finish(final)
}

// cancelAll tells all phones but one that they are not wanted any more. One that
// has not said anything is told as soon as it does (section 9.1).
func (f *fork) cancelAll(but *branch, fields ...sip.Field) {
	var clients []*transaction.Client
	f.mu.Lock()
	for _, b := range f.branches {
		if b == but {
			continue
		}
		b.unasked = true
		if b.client != nil {
			clients = append(clients, b.client)
		}
	}
	f.mu.Unlock()
	for _, c := range clients {
		c.Cancel(fields...)
	}
}

// unacknowledged forgets a call whose final response got no ACK.
func (f *fork) unacknowledged(*transaction.Server, error) { f.proxy.calls.remove(f.key) }

// Fired implements timing.Owner.
func (f *fork) Fired(id uint8) {
	if id == timerRinging {
		f.giveUp(408)
		return
	}
	var silent []*branch
	f.mu.Lock()
	for _, b := range f.branches {
		if !b.heard && !b.done {
			silent = append(silent, b)
		}
	}
	f.mu.Unlock()
	for _, b := range silent {
		b.abandon()
	}
}

// abandon does not wait for a phone any more. Should it ring yet, it is cancelled.
func (b *branch) abandon() {
	f := b.fork
	f.mu.Lock()
	b.unasked = true
	client := b.client
	f.mu.Unlock()
	if client != nil {
		client.Cancel()
	}
	b.refuse(f.proxy.response(f.in.Msg, 408, ""), false)
}
