package dialog

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"callcontroller/internal/sip/transport"
)

// What one address gets by UDP in answers to requests that belong to no dialog: so many
// at once, and so many a second. The source of a datagram can be forged, and what is
// answered hits whom it names (row Z19).
const (
	strayBurst    = 500
	strayInterval = time.Second / 100
)

// quota bounds those answers for each address. It is a table of fixed size, so that
// forged addresses cost no memory; addresses that share a place share what it allows.
// The zero value is not usable, see newQuota.
type quota struct {
	seed  maphash.Seed
	start time.Time

	mu    sync.Mutex
	taken [1024]time.Duration // until when, since start, the answers of a place are used up at strayInterval each
}

func newQuota() *quota { return &quota{seed: maphash.MakeSeed(), start: time.Now()} }

// allows tells whether one more answer may go to an address, and counts it.
func (q *quota) allows(a netip.Addr) bool {
	if a.Is6() {
		a = netip.PrefixFrom(a.WithZone(""), 64).Masked().Addr() // Whoever has one has them all.
	}
	place := maphash.Comparable(q.seed, a) % uint64(len(q.taken))
	now := time.Since(q.start)
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := max(q.taken[place], now)
	if taken-now >= strayBurst*strayInterval {
		return false
	}
	q.taken[place] = taken + strayInterval
	return true
}

// spared tells a request from outside any dialog that is not answered, since its source
// has had its share. Where a connection stands, or the proxy asks, nothing is forged.
func (ua *UA) spared(from transport.Source) bool {
	if from.Protocol.Reliable() || hasAddr(ua.proxyHop, from.Addr.Addr()) || ua.strays.allows(from.Addr.Addr()) {
		return false
	}
	ua.config.Log.Debug("SIP request not answered: too many from this address belong to no dialog", "peer", from.Addr.String())
	return true
}
