package journal

import (
	"errors"
	"fmt"

	"callcontroller/internal/journal/ahead"
)

// secured is who waits until all that was appended before is safe.
type secured struct {
	end  uint64 // of those entries
	safe func()
}

// Secure calls safe, which may be nil, when all that was appended before outlives the
// process: when it is in the files ahead of the log, or in the log, or never will be. It
// may be called before Secure returns, and else is on a goroutine of the journal and must
// not block.
func (j *Journal) Secure(safe func()) {
	if !j.queue.secure(safe) && safe != nil {
		safe()
	}
}

// SecureNow makes what was appended before safe on the goroutine of the caller, who must be
// one that may wait for the disk. False if that is not possible, or somebody else is about
// it: then Secure tells when it is safe.
func (j *Journal) SecureNow() bool {
	if j.queue.isSecure() {
		return true
	}
	if j.ahead == nil || !j.writing.TryLock() {
		return false
	}
	defer j.writing.Unlock()
	return !j.gone && j.flushAhead() == nil
}

func (q *queue) isSecure() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.has(q.total)
}

// has tells whether entries that end there need not be waited for; q.mu is held.
func (q *queue) has(end uint64) bool { return q.over || end <= max(q.stored, q.written) }

// secure notes who waits; false if nobody has to.
func (q *queue) secure(safe func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.has(q.total) {
		return false
	}
	if safe != nil {
		q.secured = append(q.secured, secured{end: q.total, safe: safe})
	}
	select {
	case q.hurry <- struct{}{}:
	default:
	}
	return true
}

// unwritten adds to the files ahead what is not in them, and tells where that ends, and
// what the log has.
func (q *queue) unwritten(f *ahead.File, epoch, base uint64) (end, stored uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range q.batches {
		if b.end() <= q.written {
			continue
		}
		from := max(q.written, b.start)
		f.Add(&ahead.Piece{
			Epoch: epoch, Base: base, Batch: b.number, Before: b.before,
			At: from, Offset: from - b.start, Body: b.body[from-b.start:],
		})
	}
	return q.total, q.stored
}

// release makes a change, and then lets go on who need not wait any more.
func (q *queue) release(change func()) {
	q.mu.Lock()
	change()
	safe := q.released()
	q.mu.Unlock()
	for _, s := range safe {
		s.safe()
	}
}

// released takes out who need not wait any more; q.mu is held.
func (q *queue) released() []secured {
	n := 0
	for n < len(q.secured) && q.has(q.secured[n].end) {
		n++
	}
	if n == 0 {
		return nil
	}
	safe := q.secured[:n:n]
	if q.secured = q.secured[n:]; len(q.secured) == 0 {
		q.secured = nil
	}
	return safe
}

// writeAhead writes to the files ahead when somebody waits, until the writer leaves. What
// comes meanwhile is written together.
func (j *Journal) writeAhead() {
	defer close(j.hurried)
	for {
		select {
		case <-j.queue.hurry:
			j.writing.Lock()
			_ = j.flushAhead() // it tells by itself
			j.writing.Unlock()
		case <-j.leaving:
			return
		}
	}
}

// leave writes ahead what is not stored, for the next Open, and lets everybody go on. The
// error is nil if nothing is lost.
func (j *Journal) leave() error {
	err := errNotStored
	if j.ahead != nil {
		close(j.leaving)
		<-j.hurried
		j.writing.Lock()
		err, j.gone = j.flushAhead(), true
		j.writing.Unlock()
	}
	rest := j.queue.rest()
	for _, b := range rest {
		b.tell(0, 0, ErrClosed)
	}
	j.queue.release(func() { j.queue.over = true }) // nothing more is stored
	if len(rest) == 0 {
		return nil
	}
	if err == nil {
		j.log.Warn("journal: not everything is in the log: the next start brings it there")
	}
	return err
}

var errNotStored = errors.New("not everything is stored")

// flushAhead writes what is not there; j.writing is held. When that fails, the store is
// waited for.
func (j *Journal) flushAhead() error {
	end, stored := j.queue.unwritten(j.ahead, j.epoch, j.base)
	err := j.ahead.Flush(stored)
	if failed := err != nil; failed != j.aheadFails {
		j.aheadFails = failed
		j.tellAhead(err)
	}
	if err != nil {
		return fmt.Errorf("write ahead of the log: %w", err)
	}
	j.queue.release(func() { j.queue.written = end })
	return nil
}

func (j *Journal) tellAhead(err error) {
	if err != nil {
		j.log.Warn("journal: the files ahead of the log cannot be written: calls wait for the store", "err", err)
		return
	}
	j.log.Info("journal: the files ahead of the log are written again")
}
