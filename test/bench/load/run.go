// Package load places calls with a server and plays all their phones: they answer at
// once, acknowledge and repeat as SIP wants, and time each step. It knows of the server
// no more than the address of its HTTP interface.
package load

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Flow is what the server does for a call.
type Flow string

const (
	// Refer is: INVITE to the calling phone, REFER, its NOTIFYs, BYE.
	Refer Flow = "refer"
	// Invite is: INVITE to both phones, each is told where the other one's media are; then
	// the calling phone hangs up and the called one must get a BYE.
	Invite Flow = "invite"
)

// Options say what Run does.
type Options struct {
	Flow  Flow
	API   *API
	Calls int
	// AtOnce is how many calls run at once. With a Rate a call begins when its time has
	// come, however many run.
	AtOnce int
	Rate   float64 // calls a second
	// Ring has the calling phone ring and not answer until Hold returns.
	Ring bool
	// Hold is called when a call is connected, or rings, and blocks as long as it is to
	// stay so; nil: not at all.
	Hold func()
	// Lost is told of each call that ends before it came so far that Hold is called, and then
	// a call that is refused is asked for again; nil: neither.
	Lost func(why string)
	// Timeout is how long a call may take, besides Hold; default 10 s.
	Timeout time.Duration
}

// retryAfter is how long a client waits that was told to come again later.
const retryAfter = time.Second

// run is one Run.
type run struct {
	Options
	phones *Phones
	calls  []call
	first  int // the number of the first call
	idle   chan *client

	repeatsIn, badAnswers atomic.Int64
	late                  int
}

// Run places calls and waits for their ends.
func (p *Phones) Run(ctx context.Context, o Options) *Result {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	r := &run{Options: o, phones: p, calls: make([]call, o.Calls), first: p.next, idle: make(chan *client, 1024)}
	p.next += o.Calls
	p.received.Store(0)
	p.sent.Store(0)
	p.repeatsOut.Store(0)
	p.run.Store(r)
	if o.Rate > 0 {
		r.atRate(ctx)
	} else {
		r.atOnce(ctx)
	}
	for len(r.idle) > 0 {
		(<-r.idle).close()
	}
	return r.result()
}

// atOnce keeps as many calls running as are wanted.
func (r *run) atOnce(ctx context.Context) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range r.AtOnce {
		wg.Go(func() {
			c := &client{api: r.API}
			defer c.close()
			for n := next.Add(1) - 1; int(n) < len(r.calls) && ctx.Err() == nil; n = next.Add(1) - 1 {
				r.place(ctx, int(n), c)
			}
		})
	}
	wg.Wait()
}

// atRate begins each call when its time has come.
func (r *run) atRate(ctx context.Context) {
	var wg sync.WaitGroup
	start := time.Now()
	for n := range r.calls {
		at := start.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
		if wait := time.Until(at); wait > 0 {
			<-time.After(wait)
		} else if wait < -10*time.Millisecond {
			r.late++
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() { r.place(ctx, n, r.client()) })
	}
	wg.Wait()
}

// client takes an idle connection, or a new one.
func (r *run) client() *client {
	select {
	case c := <-r.idle:
		return c
	default:
		return &client{api: r.API}
	}
}

// release gives a connection back that client has given.
func (r *run) release(c *client) {
	if r.Rate == 0 {
		return // the caller keeps it
	}
	select {
	case r.idle <- c:
	default:
		c.close()
	}
}

// place has the server place a call, and waits for its end.
func (r *run) place(ctx context.Context, n int, conn *client) {
	c := &r.calls[n]
	number := r.first + n
	caller, callee := r.phones.party(calling, number), r.phones.party(called, number)
	c.mu.Lock()
	c.number, c.start = number, time.Now()
	c.done, c.stands = make(chan struct{}, 1), make(chan struct{}, 1)
	c.mu.Unlock()
	err := conn.post(ctx, number, caller, callee, r.Timeout)
	for outcomeOf(err) == refused && r.Lost != nil && ctx.Err() == nil {
		<-time.After(retryAfter) // As many are to stand as are wanted.
		err = conn.post(ctx, number, caller, callee, r.Timeout)
	}
	c.mu.Lock()
	if c.answered = time.Now(); err != nil {
		c.finish(outcomeOf(err), err.Error())
	}
	c.mu.Unlock()
	r.release(conn)
	r.wait(c)
}

func outcomeOf(err error) outcome {
	var no *refusal
	if errors.As(err, &no) && (no.status == http.StatusServiceUnavailable || no.status == http.StatusTooManyRequests) {
		return refused
	}
	return failed
}

// wait waits for a call's end, and holds it when it stands.
func (r *run) wait(c *call) {
	limit := time.NewTimer(r.Timeout)
	defer limit.Stop()
	select {
	case <-c.done:
		if r.Lost != nil {
			r.Lost(c.why)
		}
		return
	case <-c.stands:
		r.Hold()
		limit.Reset(r.Timeout)
		c.mu.Lock()
		c.hold()
		c.mu.Unlock()
	case <-limit.C:
		c.giveUp()
	}
	select {
	case <-c.done:
	case <-limit.C:
		c.giveUp()
	}
}

func (c *call) giveUp() {
	c.mu.Lock()
	c.finish(failed, c.missing())
	c.mu.Unlock()
}

// missing says what did not come.
func (c *call) missing() string {
	switch {
	case !c.reached.IsZero():
		return "not hung up"
	case !c.second.IsZero():
		return "nothing after the second step"
	case !c.legs[calling].invited.IsZero():
		return "no second step"
	default:
		return "no INVITE"
	}
}
