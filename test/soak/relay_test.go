package soak

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// weather is what the relay does to each datagram.
type weather struct {
	seed       uint64
	lost, twin int           // per cent
	jitter     time.Duration // each datagram waits up to that long, so the order changes
}

// relay stands between two ends. Each end knows the other by an address of the relay's,
// so that all that they send passes it, answers too.
type relay struct {
	weather
	left, right *net.UDPConn // the addresses by which the right and the left end are known
	mu          sync.Mutex
	chance      *rand.Rand
	ends        [2]netip.AddrPort // the real addresses of the left and the right end
	lostCount   atomic.Int64
	sentCount   atomic.Int64
	under       sync.WaitGroup // datagrams under way
}

func newRelay(t *testing.T, w weather) *relay {
	t.Helper()
	r := &relay{weather: w, chance: rand.New(rand.NewPCG(w.seed, 1))} //nolint:gosec // A test repeats its chances.
	for _, c := range []**net.UDPConn{&r.left, &r.right} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			t.Fatal(err)
		}
		*c = conn
	}
	return r
}

// join tells where the ends are, and begins. The left end sends to the address toRight.
func (r *relay) join(left, right netip.AddrPort) {
	r.ends = [2]netip.AddrPort{left, right}
	r.under.Add(2)
	go r.carry(r.left, r.right, right)
	go r.carry(r.right, r.left, left)
}

// toRight is where the left end finds the right one, toLeft the other way.
func (r *relay) toRight() netip.AddrPort { return r.left.LocalAddr().(*net.UDPAddr).AddrPort() }
func (r *relay) toLeft() netip.AddrPort  { return r.right.LocalAddr().(*net.UDPAddr).AddrPort() }

// carry brings what comes in by one socket to an end, from the other socket.
func (r *relay) carry(in, out *net.UDPConn, to netip.AddrPort) {
	defer r.under.Done()
	buf := make([]byte, 65536)
	for {
		n, _, err := in.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		for _, wait := range r.fate() {
			data := append([]byte(nil), buf[:n]...)
			r.under.Add(1)
			time.AfterFunc(wait, func() {
				defer r.under.Done()
				_, _ = out.WriteToUDPAddrPort(data, to) // Behind the end of the test it is lost, as others are.
			})
		}
	}
}

// fate gives how long each copy of a datagram waits; none for one that is lost.
func (r *relay) fate() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var waits []time.Duration
	if r.chance.IntN(100) >= r.lost {
		waits = append(waits, time.Duration(r.chance.Int64N(int64(r.jitter)+1)))
	}
	if r.chance.IntN(100) < r.twin {
		waits = append(waits, time.Duration(r.chance.Int64N(int64(r.jitter)+1)))
	}
	r.sentCount.Add(1)
	if len(waits) == 0 {
		r.lostCount.Add(1)
	}
	return waits
}

func (r *relay) close() {
	_ = r.left.Close()
	_ = r.right.Close()
	r.under.Wait()
}
