package soak

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callcontroller/internal/sip"
)

// weather is what the relay does to each datagram.
type weather struct {
	lost, twin int // per cent
	jitter     time.Duration
}

// delays gives when each copy of a datagram arrives. Each waits for itself, so that
// they overtake each other.
func (w weather) delays(r *rand.Rand) []time.Duration {
	var all []time.Duration
	if r.IntN(100) >= w.lost {
		all = append(all, upTo(r, w.jitter))
	}
	if r.IntN(100) < w.twin {
		all = append(all, upTo(r, w.jitter))
	}
	return all
}

// relay stands between the server and the phones. Phones take its front for the
// server, the server takes its back for the phones: requests come by the addresses
// that each side advertises, responses go back to the source of the request (RFC 3581
// section 4), which is the relay's socket too.
type relay struct {
	tb          testing.TB
	weather     weather
	ledger      *ledger
	front, back *net.UDPConn
	server      netip.AddrPort
	phones      netip.AddrPort

	mu      sync.Mutex
	chance  *rand.Rand
	readers sync.WaitGroup
	under   sync.WaitGroup // datagrams that are on their way
	waiting atomic.Int64   // how many those are
	count   struct{ taken, lost, doubled, overflow, strange atomic.Int64 }
}

// maxUnderWay bounds the datagrams that wait; what comes beyond is lost, and counted.
const maxUnderWay = 20_000

func newRelay(tb testing.TB, w weather, seed uint64) *relay {
	tb.Helper()
	return &relay{
		tb: tb, weather: w, ledger: newLedger(), front: socket(tb), back: socket(tb),
		chance: rand.New(rand.NewPCG(seed, 7)), //nolint:gosec // A test repeats its chances.
	}
}

// socket opens a socket with room for a burst: what is lost is for the weather to say.
func socket(tb testing.TB) *net.UDPConn {
	tb.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		tb.Fatal(err)
	}
	return conn
}

func addrOf(conn *net.UDPConn) netip.AddrPort {
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (r *relay) run(server, phones netip.AddrPort) {
	r.server, r.phones = server, phones
	r.readers.Go(func() {
		r.pass(r.back, server, func(data []byte) {
			r.ledger.left(data)
			r.fate(data, func(b []byte) { r.write(r.front, phones, b) })
		})
	})
	r.readers.Go(func() {
		r.pass(r.front, phones, func(data []byte) {
			r.fate(data, func(b []byte) {
				r.ledger.came(b)
				r.write(r.back, server, b)
			})
		})
	})
}

// pass reads from one side until stop.
func (r *relay) pass(conn *net.UDPConn, who netip.AddrPort, take func([]byte)) {
	buf := make([]byte, sip.MaxMessageSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil:
			r.tb.Errorf("relay: %v", err)
			return
		case from != who:
			r.count.strange.Add(1)
		default:
			r.count.taken.Add(1)
			take(append([]byte(nil), buf[:n]...))
		}
	}
}

// fate decides what becomes of a datagram.
func (r *relay) fate(data []byte, deliver func([]byte)) {
	r.mu.Lock()
	delays := r.weather.delays(r.chance)
	r.mu.Unlock()
	switch len(delays) {
	case 0:
		r.count.lost.Add(1)
	case 2:
		r.count.doubled.Add(1)
	}
	for _, d := range delays {
		if r.waiting.Add(1) > maxUnderWay {
			r.waiting.Add(-1)
			r.count.overflow.Add(1)
			continue
		}
		r.under.Add(1)
		time.AfterFunc(d, func() {
			defer r.under.Done()
			defer r.waiting.Add(-1)
			deliver(data)
		})
	}
}

func (r *relay) write(conn *net.UDPConn, to netip.AddrPort, data []byte) {
	if _, err := conn.WriteToUDPAddrPort(data, to); err != nil {
		r.tb.Errorf("relay: %v", err)
	}
}

// close takes nothing more, delivers what is under way, and ends.
func (r *relay) close() {
	for _, conn := range []*net.UDPConn{r.front, r.back} {
		if err := conn.SetReadDeadline(time.Now()); err != nil {
			r.tb.Error(err)
		}
	}
	r.readers.Wait()
	r.under.Wait()
	for _, conn := range []*net.UDPConn{r.front, r.back} {
		if err := conn.Close(); err != nil {
			r.tb.Error(err)
		}
	}
	c := &r.count
	r.tb.Logf("relay: %d datagrams, %d lost, %d doubled", c.taken.Load(), c.lost.Load(), c.doubled.Load())
	if n, m := c.overflow.Load(), c.strange.Load(); n+m > 0 {
		r.tb.Errorf("relay: %d datagrams too many, %d from strangers", n, m)
	}
}
