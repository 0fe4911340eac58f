package journal

import (
	"context"
	"fmt"
	"time"
)

// Recovery reads the log from the oldest message on that has the last entry of a call.
// For calls that stand for long, the last entry is copied to the end of the log, so
// that the way from there stays short and the log's age and size do not take it away.
// Readers never see a copy: to them it would be a repeat.

// What a message may carry of copies.
const (
	maxCopies    = 500
	maxCopyBytes = 64 << 10
)

// copied is the copy of the last entry of a call.
type copied struct {
	call  string
	whole []byte
}

// copies gives what has to be copied now.
func (j *Journal) copies(ctx context.Context) []copied {
	var all []copied
	var at message
	bytes := 0
	for _, p := range j.index.lagging(maxCopies, time.Now()) {
		if bytes > maxCopyBytes {
			break
		}
		if at.seq != p.pos.message() {
			m, err := j.fetch(ctx, p.pos.message())
			if err != nil && !isNotFound(err) {
				return all // later, then
			}
			at = m
		}
		whole := find(&at, p.pos)
		if whole == nil {
			j.log.Warn("journal: the last entry of a call cannot be read: it is not recovered after a crash", "call", p.call)
			j.index.forget(&p)
			continue
		}
		all = append(all, copied{call: p.call, whole: whole})
		bytes += len(whole)
	}
	return all
}

// find gives a copy of an entry, marked as one; nil if it is not there.
func find(m *message, p Position) (whole []byte) {
	_, _ = records(m.data, func(i int, r *record) bool {
		if i == p.index() {
			whole = append(whole, r.whole...)
			markCopy(whole)
		}
		return i < p.index()
	})
	return whole
}

// fetch reads one message. That it is not there is an error, and the message then has
// its number only.
func (j *Journal) fetch(ctx context.Context, seq uint64) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	raw, err := j.stream.GetMsg(ctx, seq)
	if err != nil {
		return message{seq: seq}, fmt.Errorf("read message %d: %w", seq, err)
	}
	return message{seq: seq, data: raw.Data, at: raw.Time}, nil
}
