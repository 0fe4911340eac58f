package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// rest is how often the writer looks for old entries while nothing comes.
const rest = time.Minute

// write is the writer. One message is under way at a time: that is what keeps the order.
func (j *Journal) write() {
	defer close(j.written)
	var last time.Time
	for j.ctx.Err() == nil { // Else what waits would be tried, and given up, for ever.
		b := j.queue.take(j.ctx, last, rest)
		if b == nil {
			break
		}
		last = time.Now()
		j.store(b)
	}
	j.left = j.leave()
}

// store brings a batch into the log, for as long as it takes.
func (j *Journal) store(b *batch) {
	j.survey(j.ctx, b)
	copies := j.copies(j.ctx)
	if len(copies)+len(b.items) == 0 {
		j.queue.drop(b)
		return
	}
	h := head{epoch: j.epoch, number: b.number, low: j.index.low()}
	seq, err := j.send(h, j.payload(h, b, copies))
	if errors.Is(err, ErrClosed) {
		return // the batch is told with the rest
	}
	if err == nil {
		j.index.stored(seq, copies, b, time.Now())
	} else {
		j.log.Error("journal: entries can never be stored", "entries", len(b.items), "err", err)
	}
	b.tell(seq, len(copies), err)
	j.queue.drop(b)
}

// payload makes the message of a batch, in room that the next one uses again.
func (j *Journal) payload(h head, b *batch, copies []copied) []byte {
	entries := b.body
	if len(copies) > 0 {
		entries = j.joined[:0]
		for _, c := range copies {
			entries = append(entries, c.whole...)
		}
		entries = append(entries, b.body...)
		j.joined = entries
	}
	j.room = appendEntries(appendHead(j.room[:0], h), entries)
	return j.room
}

// tell calls back who waits for the entries, of which the first has that index.
func (b *batch) tell(message uint64, first int, err error) {
	for i, it := range b.items {
		if it.done != nil {
			it.done(position(message, first+i), err)
		}
	}
}

// send stores a message once and gives its number in the stream.
//
// The store knows a message by its Nats-Msg-Id for the time of duplicates. When an
// answer is missing, we look whether ours is the last message of this node, and say
// which one has to be the last when we send it again: so it is stored once, however long
// the store was away.
func (j *Journal) send(h head, payload []byte) (uint64, error) {
	id := jetstream.WithMsgID(strconv.FormatUint(h.epoch, 36) + "-" + strconv.FormatUint(h.number, 36))
	seq, err := j.publish(payload, id)
	for tries := 0; err != nil; tries++ {
		if isHopeless(err) {
			return 0, err
		}
		j.failed(err)
		if !pause(j.ctx, min(time.Second, time.Duration(tries+1)*50*time.Millisecond)) {
			return 0, ErrClosed
		}
		var stored bool
		if seq, stored, err = j.again(h, payload, id, err); stored {
			break
		}
	}
	if j.queue.fail(nil) {
		j.log.Info("journal: the store takes entries again")
	}
	return seq, nil
}

// again mends what can be mended and sends a message again, if it is not there.
func (j *Journal) again(h head, payload []byte, id jetstream.PublishOpt, why error) (seq uint64, stored bool, err error) {
	ctx, cancel := context.WithTimeout(j.ctx, askTimeout)
	defer cancel()
	if err := j.mend(ctx, why); err != nil {
		return 0, false, err
	}
	last, err := j.last(ctx)
	if err != nil {
		return 0, false, err
	}
	if last != nil {
		l, _, err := cutHead(last.data)
		if err == nil && l.epoch == h.epoch && l.number == h.number {
			return last.seq, true, nil
		}
		seq = last.seq
	}
	seq, err = j.publish(payload, id, jetstream.WithExpectLastSequencePerSubject(seq))
	return seq, err == nil, err
}

func (j *Journal) publish(payload []byte, o ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := context.WithTimeout(j.ctx, askTimeout)
	defer cancel()
	ack, err := j.js.Publish(ctx, j.subject(), payload, o...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// failed notes that the store did not take a message, and logs it once.
func (j *Journal) failed(err error) {
	as := ErrDown
	if isFull(err) {
		as = ErrFull
	}
	err = fmt.Errorf("%w: %w", as, err)
	if j.queue.fail(err) {
		j.log.Warn("journal: entries wait for the store", "err", err)
	}
}

// mend does what may help: a server in this process whose store has failed is started
// anew, and a stream that is not there is made.
func (j *Journal) mend(ctx context.Context, why error) error {
	if j.server != nil && isBroken(why) {
		if err := j.server.restart(); err != nil {
			return fmt.Errorf("%w: %w", errRestart, err)
		}
	}
	if errors.Is(why, jetstream.ErrNoStreamResponse) || errors.Is(why, jetstream.ErrStreamNotFound) {
		_, err := j.ensure(ctx)
		return err
	}
	return nil
}

var errRestart = errors.New("restart the store")

// isHopeless tells that trying again makes no sense.
func isHopeless(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum) || errors.Is(err, ErrClosed)
}

// The error numbers of JetStream that its client has no name for.
const (
	codeInsufficientResources = 10023
	codeStoreFailed           = 10077
	codeNoResourcesForStream  = 10047
)

// isBroken tells that the store in this process itself has failed. One that does not answer
// has met a disk that is full: it would never answer again.
func isBroken(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode == codeStoreFailed || api.ErrorCode == codeInsufficientResources ||
			api.ErrorCode == jetstream.JSErrCodeJetStreamNotEnabled
	}
	return errors.Is(err, errRestart) || errors.Is(err, context.DeadlineExceeded)
}

func isFull(err error) bool {
	if strings.Contains(err.Error(), "no space left") {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == codeInsufficientResources || api.ErrorCode == codeNoResourcesForStream)
}
