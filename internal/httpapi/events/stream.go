package events

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/journal"
)

const (
	// slack is how far before its own times a call is looked for in the log, which is in
	// the order of a clock that may have been set.
	slack = time.Minute
	// longestLook is how long the end of a call that is over is looked for.
	longestLook = 5 * time.Second
	// handful is how many events wait to be sent at most.
	handful = 64
)

// sender is one way to a client. Its methods are called one at a time, but for hurry.
// After an error there is nothing more to send.
type sender interface {
	// begin tells where the stream begins.
	begin(after journal.Position) error
	// event sends one, at the latest with the next flush.
	event(e *journal.Entry) error
	gap(g *journal.GoneError) error
	// beat sends something, so that both sides know of each other.
	beat() error
	flush() error
	// hurry says that what is being sent has endTimeout from now on.
	hurry()
	end(ending)
}

// errSlow says that the client does not take what is sent.
var errSlow = errors.New("the client reads too slowly")

// ending is why a stream ends.
type ending int

const (
	lost     ending = iota // there is no client any more
	finished               // all was sent that will ever come
	stopping               // the server goes down
	denied                 // the client may not have it any more
)

// stream is one of them.
type stream struct {
	handler   *Handler
	principal auth.Principal
	question  question
	call      *api.Call // nil: of all calls
	to        sender
}

// serve answers the request with it.
func (s *stream) serve(w http.ResponseWriter, r *http.Request) {
	after, err := s.place(r.Context())
	if err != nil {
		httpapi.SetError(r.Context(), err)
		w.Header().Set("Retry-After", httpapi.Seconds(retryAfter))
		httpapi.WriteProblem(w, *refusal(http.StatusServiceUnavailable, "the log of events cannot be read now"))
		return
	}
	over := s.isOver(r.Context())
	if over && !asksForSocket(r) {
		w.WriteHeader(http.StatusNoContent) // EventSource does not come back after it.
		return
	}
	to, ctx, ok := s.handler.open(w, r)
	if !ok {
		return
	}
	s.to = to
	if over {
		to.end(finished)
		return
	}
	s.run(ctx, after)
}

// open begins the answer. The context is over when the client has gone.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) (sender, context.Context, bool) {
	if asksForSocket(r) {
		return openSocket(w, r, h.WriteTimeout)
	}
	return newFrames(w, h.WriteTimeout), r.Context(), true
}

// place is the position behind which the stream begins.
func (s *stream) place(ctx context.Context) (journal.Position, error) {
	switch {
	case s.question.resumes:
		return s.question.after, nil
	case s.call != nil:
		return s.handler.Hub.Since(ctx, s.call.CreatedAt.Add(-slack)), nil
	}
	_, last, err := s.handler.Hub.Bounds(ctx)
	return last, err
}

// isOver tells whether a client that comes back has had all that it asks for of a call.
func (s *stream) isOver(ctx context.Context) bool {
	if s.call == nil || s.call.EndedAt == nil || !s.question.resumes {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, longestLook)
	defer cancel()
	from := s.handler.Hub.Since(ctx, s.call.EndedAt.Add(-slack))
	if len(s.question.types) > 0 {
		from = min(from, s.question.after) // Something of these types may come before the end.
	}
	for e, err := range s.handler.Hub.Read(ctx, from, s.filter()) {
		switch {
		case err != nil:
		case e.Position > s.question.after && s.wants(&e):
			return false
		case isFinal(&e):
			return true
		}
	}
	return false
}

// filter has the hub leave out what is not asked for. The end of a call is always needed.
func (s *stream) filter() journal.Filter {
	f := journal.Filter{Call: s.question.call, Agent: s.question.agent}
	if s.call == nil {
		f.Events = s.question.types
	}
	if f.Agent == "" && !s.principal.Admin && !s.principal.Trusted {
		f.Agent = s.principal.Name
	}
	return f
}

// wants tells whether an entry is sent: it was asked for, may be seen (row Z22), and is
// an object of JSON.
func (s *stream) wants(e *journal.Entry) bool {
	types := s.question.types
	return (len(types) == 0 || slices.Contains(types, e.Event)) && control.MaySee(s.principal, e.Agent) && isObject(e.Data)
}

func isFinal(e *journal.Entry) bool { return e.Final || e.Event == api.CallEnded }

// item is what the hub gives.
type item struct {
	entry journal.Entry
	err   error
}

// run sends until the stream ends, and then ends the answer.
func (s *stream) run(ctx context.Context, after journal.Position) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.handler.ctx, cancel)()
	incoming := make(chan item, handful)
	var reading sync.WaitGroup
	reading.Go(func() { s.read(ctx, after, incoming) })
	why := lost
	if s.to.begin(after) == nil {
		why = s.send(ctx, incoming)
	}
	cancel()
	reading.Wait()
	s.to.end(why)
}

// read takes from the hub, so that send can wait for other things, too.
func (s *stream) read(ctx context.Context, after journal.Position, incoming chan<- item) {
	defer s.to.hurry()
	defer close(incoming)
	for e, err := range s.handler.Hub.Read(ctx, after, s.filter()) {
		select {
		case incoming <- item{e, err}:
		case <-ctx.Done():
			return
		}
	}
}

// send passes on what comes.
func (s *stream) send(ctx context.Context, incoming <-chan item) ending {
	beat := time.NewTimer(s.handler.Heartbeat)
	defer beat.Stop()
	recheck := time.NewTicker(s.handler.Recheck)
	defer recheck.Stop()
	for {
		var err error
		select {
		case it, ok := <-incoming:
			if !ok {
				return s.why()
			}
			var p passed
			p, err = s.pass(&it, len(incoming) == 0)
			if p == last && err == nil {
				return finished
			}
			if p != nothing {
				beat.Reset(s.handler.Heartbeat)
			}
		case <-beat.C:
			err = s.to.beat()
			beat.Reset(s.handler.Heartbeat)
		case <-recheck.C:
			if s.handler.StillValid != nil && !s.handler.StillValid(s.principal) {
				return denied
			}
		case <-ctx.Done():
			return s.why()
		}
		if err != nil {
			return s.lose(err)
		}
	}
}

// passed is what was made of an item.
type passed int

const (
	nothing passed = iota // the client does not want it
	one                   // it was sent
	last                  // it was the last, sent or not
)

// pass sends an item if the client wants it.
func (s *stream) pass(it *item, flush bool) (p passed, err error) {
	gone, isGap := errors.AsType[*journal.GoneError](it.err)
	switch {
	case isGap:
		p, err = one, s.to.gap(gone)
	case it.err != nil:
		return nothing, nil // The journal closes: nothing comes after it.
	case s.wants(&it.entry):
		p, err = one, s.to.event(&it.entry)
	}
	if s.call != nil && !isGap && isFinal(&it.entry) {
		p = last
	}
	if err == nil && flush {
		err = s.to.flush()
	}
	return p, err
}

// why tells why there is nothing more without a fault in sending.
func (s *stream) why() ending {
	if s.handler.ctx.Err() != nil {
		return stopping
	}
	return lost
}

func (s *stream) lose(err error) ending {
	if errors.Is(err, errSlow) && s.handler.ctx.Err() == nil {
		s.handler.dropped.Add(1)
	}
	return lost
}
