package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// readAhead is how many bytes a reader has in memory that it has not been given.
	readAhead = 1 << 20
	// heartbeat is how often the store tells a reader that it is still there. One that was
	// forgotten with a store that ended hears nothing, and begins anew after two of them.
	heartbeat = 2 * time.Second
	// forgetAfter is when the store drops a reader that does not come back.
	forgetAfter = 30 * time.Second
	// again is how long a reader waits after trouble.
	retry = 200 * time.Millisecond
	// silence is how long the store may take for the next message that it is known to have.
	silence = 5 * time.Second
)

// message is a message of the stream.
type message struct {
	seq     uint64
	pending uint64 // how many the store has behind it
	data    []byte
	at      time.Time
}

// Read gives every entry with an Event after a position that the filter takes: first
// what the log has, then what comes, until ctx is over. Position 0 is before all.
// Entries have their Position and no State; Data is the reader's.
//
// None is missing and none comes twice. Trouble with the store is waited for. Where
// entries are no longer kept, since they are too old or the store is damaged, the reader
// is told by a *GoneError and may go on: the next entry is the first one behind the gap.
// The last thing is ErrClosed when the journal closes; nothing when ctx is over.
//
// A reader takes as long as it likes: it costs the writer nothing, and has 1 MiB in
// memory at most. The entries are read on the goroutine of the caller.
func (j *Journal) Read(ctx context.Context, after Position, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ctx, stop := j.within(ctx)
		defer stop()
		r := reader{journal: j, pos: after, filter: f, yield: yield}
		if r.start(ctx) {
			for m := range j.messages(ctx, r.pos.message(), "") {
				if !r.message(ctx, &m) {
					return
				}
			}
		}
		if j.ctx.Err() != nil && !r.left {
			yield(Entry{}, ErrClosed)
		}
	}
}

// Bounds gives the positions of the first message that is kept and of the last one, so
// that Read after first gives all, and Read after last what is new.
func (j *Journal) Bounds(ctx context.Context) (first, last Position, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, err := j.stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrDown, err)
	}
	st := info.State
	return position(max(st.FirstSeq, 1)-1, lastIndex), position(st.LastSeq, lastIndex), nil
}

// within is ctx, which is over too when the journal closes.
func (j *Journal) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(j.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// reader is one run of Read.
type reader struct {
	journal *Journal
	pos     Position // up to which everything was given
	filter  Filter
	yield   func(Entry, error) bool
	left    bool // the caller has had enough
}

// start compares the position with what is kept. It reports whether to go on.
func (r *reader) start(ctx context.Context) bool {
	var first, last Position
	for {
		var err error
		if first, last, err = r.journal.Bounds(ctx); err == nil {
			break
		}
		if !pause(ctx, retry) {
			return false
		}
	}
	switch {
	case r.pos == 0:
		r.pos = first
	case r.pos > last: // of a log that was there before
		return r.gone(first)
	case r.pos < first:
		return r.gone(first)
	}
	return !r.done()
}

// done tells that there is nothing to read any more.
func (r *reader) done() bool { return r.filter.Until != 0 && r.pos >= r.filter.Until }

// gone tells of a gap up to first, and goes on there.
func (r *reader) gone(first Position) bool {
	err := &GoneError{After: r.pos, First: first}
	r.pos = first
	r.left = !r.yield(Entry{}, err)
	return !r.left
}

// message gives what a message has. It reports whether to go on.
func (r *reader) message(ctx context.Context, m *message) bool {
	behind := position(m.seq-1, lastIndex) // all of the message before
	if r.pos < behind {
		r.journal.missed(ctx, m.seq)
		if !r.gone(behind) {
			return false
		}
	}
	_, err := records(m.data, func(i int, rec *record) bool {
		p := position(m.seq, i)
		if p <= r.pos || !r.filter.takes(rec) {
			return true
		}
		r.left = !r.yield(rec.entry(p), nil)
		return !r.left
	})
	if r.left {
		return false
	}
	if end := position(m.seq, lastIndex); err != nil {
		r.journal.complain(m.seq, err)
		return r.gone(end)
	} else { //nolint:revive // end is of both
		r.pos = end
	}
	return !r.done()
}

// messages gives the messages from number from on as they come, until ctx is over. With
// a subject, only those of it.
func (j *Journal) messages(ctx context.Context, from uint64, subject string) iter.Seq[message] {
	return func(yield func(message) bool) {
		for goOn := true; goOn; {
			if from, goOn = j.deliver(ctx, from, subject, 0, yield); goOn {
				goOn = pause(ctx, retry)
			}
		}
	}
}

// until gives the messages of this node from first to last. Trouble with the store is
// waited for; what it has but does not give, though it answers, is given up.
func (j *Journal) until(ctx context.Context, first, last uint64) iter.Seq[message] {
	return func(yield func(message) bool) {
		for silent := 0; silent < 2; {
			next, goOn := j.deliver(ctx, first, j.subject(), silence, func(m message) bool {
				return yield(m) && m.seq < last && m.pending > 0
			})
			if !goOn || !pause(ctx, retry) {
				return
			}
			if _, _, err := j.Bounds(ctx); next > first {
				silent = 0
			} else if err == nil {
				silent++
			}
			first = next
		}
		j.complain(first, errors.New("the store does not give it, nor what follows"))
	}
}

func (j *Journal) over(ctx context.Context) error {
	if ctx.Err() == nil && j.ctx.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}

// deliver gives what one consumer brings, until trouble or a silence, when there is a
// limit to it. It gives the number to go on from, and whether that makes sense.
func (j *Journal) deliver(ctx context.Context, from uint64, subject string, silence time.Duration, yield func(message) bool) (next uint64, goOn bool) {
	c, err := j.consumer(ctx, from, subject)
	if err != nil {
		return from, ctx.Err() == nil
	}
	defer j.drop(c)
	if silence > 0 && c.CachedInfo().NumPending == 0 {
		return from, false
	}
	incoming, err := c.Messages(jetstream.PullMaxBytes(readAhead), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return from, ctx.Err() == nil
	}
	defer incoming.Stop()
	for delivered := uint64(1); ; delivered++ {
		raw, err := receive(ctx, incoming, silence)
		if err != nil {
			return from, ctx.Err() == nil
		}
		meta, err := raw.Metadata()
		if err != nil || meta.Sequence.Consumer != delivered {
			return from, true // something was lost on the way
		}
		from = meta.Sequence.Stream + 1
		if !yield(message{seq: meta.Sequence.Stream, pending: meta.NumPending, data: raw.Data(), at: meta.Timestamp}) {
			return from, false
		}
	}
}

func receive(ctx context.Context, m jetstream.MessagesContext, silence time.Duration) (jetstream.Msg, error) {
	if silence > 0 {
		c, cancel := context.WithTimeout(ctx, silence)
		defer cancel()
		ctx = c
	}
	return m.Next(jetstream.NextContext(ctx))
}

// consumer makes a reader in the store. It is in the store's memory and goes when it is
// not used: where it was is known here.
func (j *Journal) consumer(ctx context.Context, from uint64, subject string) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return j.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
		AckPolicy: jetstream.AckNonePolicy, FilterSubject: subject,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: forgetAfter,
	})
}

func (j *Journal) drop(c jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.ctx), askTimeout)
	defer cancel()
	if j.ctx.Err() == nil && j.conn.IsConnected() {
		_ = j.stream.DeleteConsumer(ctx, c.CachedInfo().Name) // else it goes by itself
	}
}
