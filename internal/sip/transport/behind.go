package transport

import (
	"sync/atomic"
	"time"
)

// wait keeps how long datagrams have waited to be read.
type wait struct{ longest atomic.Int64 }

// mostWait bounds what is believed: the system's clock may have been set meanwhile.
const mostWait = time.Minute

// note takes the wait of one; only the read loop calls it.
func (w *wait) note(d time.Duration) {
	if int64(d) > w.longest.Load() && d <= mostWait {
		w.longest.Store(int64(d))
	}
}

// Behind is how long messages that came over UDP have waited at most until they were
// taken up, of those since it was asked last; 0 where the system does not tell.
func (l *Layer) Behind() time.Duration {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var most time.Duration
	for _, s := range l.sites {
		if s.socket != nil {
			most = max(most, time.Duration(s.socket.wait.longest.Swap(0)))
		}
	}
	return most
}
