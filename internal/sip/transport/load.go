package transport

import (
	"sync/atomic"
	"time"
)

// found is how long it takes at most to read a datagram that is there.
const found = 20 * time.Microsecond

// load follows a read loop: one that has not had to wait for a datagram for long has more
// to do than it can, and what it reads has waited, for that time at most.
type load struct {
	asked  atomic.Int64 // when it asked for the next datagram; 0 while it works on one
	waited atomic.Int64 // when it last got one that was not there before
}

// begin is what the times of loads count from.
var begin = time.Now()

func now() int64 { return int64(time.Since(begin)) }

// asks notes that the loop asks for a datagram.
func (l *load) asks() { l.asked.Store(now()) }

// has notes that it has got one.
func (l *load) has() {
	now := now()
	if now-l.asked.Load() > int64(found) {
		l.waited.Store(now)
	}
	l.asked.Store(0)
}

// busy is for how long the loop has not had to wait.
func (l *load) busy() time.Duration {
	now := now()
	if asked := l.asked.Load(); asked != 0 && now-asked > int64(found) {
		return 0
	}
	return time.Duration(now - l.waited.Load())
}

// Behind is for how long messages have come over UDP faster than they can be worked on: a
// message that is taken up now has waited that long at most. 0 when there is time.
func (l *Layer) Behind() time.Duration {
	l.mu.RLock()
	defer l.mu.RUnlock()
	most := time.Duration(0)
	for _, s := range l.sites {
		if s.socket != nil {
			most = max(most, s.socket.load.busy())
		}
	}
	return most
}
