package journal

import (
	"context"
	"errors"
	"sync"
)

// maxComplaints is of how many messages it is known that they were complained of. Nobody
// reads more lines than that.
const maxComplaints = 1000

// complaints are the messages that were complained of: many read them, and again.
type complaints struct {
	mu sync.Mutex
	of map[uint64]bool
}

// first tells whether a message was not complained of before.
func (c *complaints) first(seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[seq] || len(c.of) == maxComplaints {
		return false
	}
	if c.of == nil {
		c.of = make(map[uint64]bool)
	}
	c.of[seq] = true
	return true
}

// complain logs once that a message cannot be read.
func (j *Journal) complain(seq uint64, err error) {
	if j.bad.first(seq) {
		j.log.Warn("journal: a message cannot be read: its entries are lost", "message", seq, "err", err)
	}
}

// missed complains of the message before one that a reader has got, if the store should
// have it: it was not only too old, and the server has not told already.
func (j *Journal) missed(ctx context.Context, next uint64) {
	if j.server != nil && j.server.mended.Load() {
		return
	}
	if first, _, err := j.Bounds(ctx); err == nil && first.message() < next-1 {
		j.complain(next-1, errors.New("the store has lost it, and maybe others before it"))
	}
}
