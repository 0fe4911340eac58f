package journal

import (
	"context"
	"errors"
	"fmt"

	"callcontroller/internal/journal/ahead"
)

// openAhead opens the files ahead of the log, if there may be any: who wants his log
// written to the disk at once would not have it so there.
func (j *Journal) openAhead() error {
	if j.cfg.Dir == "" || j.cfg.Sync == SyncAlways {
		return nil
	}
	f, err := ahead.Open(j.cfg.Dir)
	if errors.Is(err, ahead.ErrLocked) {
		return err
	}
	if err != nil {
		j.tellAhead(err)
		return nil
	}
	j.ahead = f
	return nil
}

// catchUp brings into the log what the process before this one has written ahead of it.
func (j *Journal) catchUp(ctx context.Context) error {
	if j.ahead == nil {
		return nil
	}
	defer context.AfterFunc(ctx, j.stop)() // ends what tries again
	last, err := j.last(ctx)
	if err != nil {
		return err
	}
	end, low := endOf(last)
	left, lost, err := j.ahead.Left(end)
	if err != nil {
		return err
	}
	if lost > 0 {
		j.log.Warn("journal: files ahead of the log are damaged, or not of this log: their entries are lost", "bytes", lost)
	}
	for _, b := range left {
		h := head{epoch: b.Epoch, number: b.Number, low: low}
		seq, err := j.send(h, appendEntries(appendHead(nil, h), b.Body))
		if err != nil {
			return fmt.Errorf("bring what was written ahead into the log: %w", errors.Join(err, ctx.Err()))
		}
		if end.Message = seq; low == 0 {
			low = seq
		}
	}
	j.base = end.Message
	return j.ahead.Clear()
}

// endOf says where the log ends, and from which message on it is needed then.
func endOf(last *message) (end ahead.End, low uint64) {
	if last == nil {
		return end, 0
	}
	end.Message = last.seq
	h, _, err := cutHead(last.data)
	if err != nil {
		return end, 1
	}
	end.Epoch, end.Batch = h.epoch, h.number
	if h.low == 0 {
		return end, last.seq
	}
	return end, h.low
}
