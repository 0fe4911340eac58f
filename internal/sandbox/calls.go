package sandbox

import (
	"strings"
	"sync"

	"callcontroller/internal/sip"
)

// callKey names an INVITE by what its ACK shares with it.
type callKey struct {
	sipCallID, fromTag string
	seq                uint32
}

func callOf(req *sip.Message) callKey {
	cseq, err := req.CSeq()
	if err != nil {
		return callKey{}
	}
	return callKey{strings.Clone(req.Get(sip.CallID)), strings.Clone(req.FromTag()), cseq.Seq}
}

// calls knows the INVITEs that are not over, at most limit.
type calls struct {
	limit int
	mu    sync.Mutex
	m     map[callKey]*fork
}

// add takes an INVITE in. Otherwise it gives the status with which to refuse it:
// 482 when the same came by another way (RFC 3261 section 8.2.2.2), 503 when there
// is no room.
func (c *calls) add(k callKey, f *fork) (status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.m[k] != nil:
		return 482
	case len(c.m) >= c.limit:
		return 503
	}
	if c.m == nil {
		c.m = make(map[callKey]*fork)
	}
	c.m[k] = f
	return 0
}

func (c *calls) remove(k callKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, k)
}

// acked tells an INVITE that its 2xx has arrived.
func (c *calls) acked(k callKey) {
	c.mu.Lock()
	f := c.m[k]
	c.mu.Unlock()
	if f != nil && f.stateNow() == answered {
		f.tx.Acked()
		c.remove(k)
	}
}

func (c *calls) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.m)
}
