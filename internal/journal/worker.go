package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// ackWait is how long the store waits for a worker that says nothing, until it gives
	// the message to another one: a server in this process also after a restart, since it
	// keeps what a worker was given, but not what it gave back.
	ackWait = 10 * time.Second
	// maxWaiting is how many messages of a worker may wait for their next attempt. When
	// there are more, the worker stands still: its endpoint is down.
	maxWaiting = 1000
)

// Work says what a worker does.
type Work struct {
	// Name is the worker's: letters, digits, "-" and "_". The store keeps under it how far
	// the worker has come. Processes that run the same name share the work.
	Name   string
	Filter Filter
	// Backoff is how long to wait after the first failed attempt, the second, and so on;
	// each wait is longer by up to a tenth, at random. After the last one the entry is
	// given up.
	Backoff []time.Duration
	// Parallel is how many entries are handled at the same time; default 4.
	Parallel int
}

// Worker hands every entry with an Event that comes from the first run of this worker on
// to handle, also those that come while it does not run. It runs until ctx is over,
// which is its error, or handle returns an ErrStop: then the worker is deleted. Trouble
// with the store is waited for.
//
// handle has done its work when it returns nil; otherwise it is called again after
// Backoff, also by another process. Entries of a call that were stored together are
// handled one after the other. Else no order is kept, and an entry may be handled again,
// after a crash for one: handle tells it by its Position. It may take as long as it
// likes. When ctx is over, so is the context of handle, and what handle then returns
// counts for nothing, though it was an attempt. What was in hand when a process ended is
// handled ten seconds later at the latest.
func (j *Journal) Worker(ctx context.Context, w Work, handle func(context.Context, Entry) error) error {
	if !isToken(w.Name) {
		return fmt.Errorf("worker %q: letters, digits, \"-\" and \"_\" only", w.Name)
	}
	set(&w.Parallel, 4)
	within, stop := j.within(ctx)
	defer stop()
	r := &worker{
		Work: w, journal: j, handle: handle, slots: make(chan struct{}, w.Parallel),
		handled: make(map[uint64]*progress), stop: stop,
	}
	for {
		r.run(within)
		if r.stopped.Load() {
			return errors.Join(ErrStop, j.DeleteWorker(context.WithoutCancel(ctx), w.Name))
		}
		if !pause(within, retry) {
			return j.over(ctx)
		}
	}
}

// DeleteWorker makes the store forget a worker. That there is none is no error.
func (j *Journal) DeleteWorker(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := j.stream.DeleteConsumer(ctx, name)
	if err == nil || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil
	}
	return fmt.Errorf("%w: delete worker %s: %w", ErrDown, name, err)
}

// worker is one run of Worker.
type worker struct {
	Work

	journal *Journal
	handle  func(context.Context, Entry) error
	slots   chan struct{} // has one for each entry that is handled
	running sync.WaitGroup

	mu      sync.Mutex
	handled map[uint64]*progress // by message, while not all of it is done
	undone  []jetstream.Msg      // for the next process

	stop    func()
	stopped atomic.Bool // handle wants no more
}

// progress is what is known of the entries of a message.
type progress struct {
	busy bool
	done map[int]bool
}

// run takes messages until there is trouble or ctx is over, and waits for what it has
// started. Trouble with the store does not interrupt handle.
func (w *worker) run(ctx context.Context) {
	incoming, err := w.consume(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.journal.log.Debug("journal: a worker waits for the store", "worker", w.Name, "err", err)
		}
		return
	}
	defer w.giveBack(incoming)
	for {
		m, err := receive(ctx, incoming, 0)
		if err != nil {
			return
		}
		select {
		case w.slots <- struct{}{}: // as many as there is room for to start
			<-w.slots
		case <-ctx.Done():
			w.leave(m)
			return
		}
		w.running.Go(func() { w.message(ctx, m) })
	}
}

// giveBack lets the next process have at once what this one has not done, and not only
// after ackWait. The store must know first that nothing more is taken here: it would give
// it here again.
func (w *worker) giveBack(incoming jetstream.MessagesContext) {
	incoming.Drain()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.journal.ctx), askTimeout)
	defer cancel()
	for {
		m, err := receive(ctx, incoming, 0)
		if err != nil {
			break // nothing is left
		}
		w.leave(m)
	}
	w.running.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.undone {
		_ = m.Nak()
	}
	w.undone = nil
}

func (w *worker) leave(m jetstream.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.undone = append(w.undone, m)
}

func (w *worker) consume(ctx context.Context) (jetstream.MessagesContext, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := w.journal.durable(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	return c.Messages(jetstream.PullMaxMessages(2 * w.Parallel))
}

// message handles the entries of a message and tells the store.
func (w *worker) message(ctx context.Context, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	seq := meta.Sequence.Stream
	p := w.begin(seq)
	if p == nil {
		return // it is given again while it is still in hand
	}
	calls, err := w.entries(seq, m.Data(), p)
	if err != nil {
		w.journal.complain(seq, err)
	}
	alive := w.keepAlive(m)
	failed := w.calls(ctx, calls, p)
	alive()
	w.end(m, seq, meta.NumDelivered, failed)
}

func (w *worker) begin(seq uint64) *progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.handled[seq]
	if p == nil {
		p = &progress{done: make(map[int]bool)}
		w.handled[seq] = p
	}
	if p.busy {
		return nil
	}
	p.busy = true
	return p
}

// end acknowledges the message, or asks for it again later.
func (w *worker) end(m jetstream.Msg, seq, attempt uint64, failed error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handled[seq].busy = false
	switch {
	case failed == nil:
		if m.Ack() == nil { // else it comes again, and there is nothing to do
			delete(w.handled, seq)
		}
	case errors.Is(failed, context.Canceled), errors.Is(failed, ErrStop):
		w.undone = append(w.undone, m)
	case attempt > uint64(len(w.Backoff)):
		w.journal.log.Warn("journal: a worker gives up an entry", "worker", w.Name, "attempts", attempt, "err", failed)
		delete(w.handled, seq)
		_ = m.Term()
	default:
		_ = m.NakWithDelay(jittered(w.Backoff[attempt-1]))
	}
}

// jittered keeps apart what has failed at the same time.
func jittered(d time.Duration) time.Duration {
	return d + rand.N(d/10+1)
}

// entries gives those that are to be handled, those of each call together.
func (w *worker) entries(seq uint64, data []byte, p *progress) (map[string][]Entry, error) {
	calls := make(map[string][]Entry)
	_, err := records(data, func(i int, r *record) bool {
		if !p.done[i] && w.Filter.takes(r) {
			calls[string(r.call)] = append(calls[string(r.call)], r.entry(position(seq, i)))
		}
		return true
	})
	return calls, err
}

// calls handles entries, calls side by side, and gives what went wrong.
func (w *worker) calls(ctx context.Context, calls map[string][]Entry, p *progress) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, entries := range calls {
		all.Go(func() {
			for _, e := range entries {
				err := w.entry(ctx, e)
				mu.Lock()
				if err == nil {
					p.done[e.Position.index()] = true
				}
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

func (w *worker) entry(ctx context.Context, e Entry) error {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Canceled
	}
	defer func() { <-w.slots }()
	if ctx.Err() != nil {
		return context.Canceled
	}
	err := w.handle(ctx, e)
	switch {
	case errors.Is(err, ErrStop):
		w.stopped.Store(true)
		w.stop()
	case err != nil && ctx.Err() != nil:
		return context.Canceled // it did not fail by itself
	}
	return err
}

// keepAlive tells the store that a message is in hand, until it is called.
func (w *worker) keepAlive(m jetstream.Msg) (stop func()) {
	done := make(chan struct{})
	w.running.Go(func() {
		t := time.NewTicker(ackWait / 3)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = m.InProgress()
			case <-done:
				return
			}
		}
	})
	return func() { close(done) }
}
