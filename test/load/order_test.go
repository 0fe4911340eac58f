package load

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// How many calls run at once for TestNotifyOrder: as many as the phones' sockets
// can take without losing datagrams.
const (
	phones    = 4
	perPhone  = 4
	fewOrders = 2_000
)

// race is one run of many calls, each with two NOTIFYs sent back to back, over real
// sockets.
type race struct {
	server *server
	phones []racePhone
	all    []racer
	wrong  atomic.Int64 // NOTIFYs that the server took for late
	lost   atomic.Int64 // calls of which a datagram was lost
}

type racePhone struct {
	host  string
	ended chan int // the number of a call that the server has hung up
}

// racer is one call.
type racer struct {
	running  *engine.Running
	referred atomic.Bool // The phone reports once, however often it is asked.
	ended    atomic.Bool
}

// TestNotifyOrder: of two NOTIFYs sent back to back the first is always taken first.
// BenchmarkNotifyOrder does the same as often as it is asked to.
func TestNotifyOrder(t *testing.T) {
	runRace(t, fewOrders)
}

// BenchmarkNotifyOrder is to be run with -benchtime=100000x.
func BenchmarkNotifyOrder(b *testing.B) {
	b.ReportMetric(float64(runRace(b, b.N)), "wrong")
}

// runRace makes n calls and gives the number of NOTIFYs that were taken in the wrong
// order.
func runRace(tb testing.TB, n int) int {
	tb.Helper()
	r := &race{all: make([]racer, n)}
	var proxy sip.URI // None: each phone is its own next hop.
	r.server = serve(tb, transport.System{}, "127.0.0.1:0", proxy)
	r.server.limits.ReferLimit = 2 * time.Second // A NOTIFY that is lost is not waited for long.
	for range phones {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			tb.Fatal(err)
		}
		defer conn.Close()
		addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
		p := racePhone{addr.String(), make(chan int, perPhone)}
		r.phones = append(r.phones, p)
		a := &automaton{conn: conn, addr: addr, react: r.react(p.ended)}
		go a.serve(tb)
	}
	var wg sync.WaitGroup
	for p := range r.phones {
		wg.Go(func() { r.run(p) })
	}
	wg.Wait()
	r.server.close(tb)
	if lost := r.lost.Load(); lost > int64(n/100) {
		tb.Errorf("%d of %d calls lost a datagram on loopback", lost, n)
	}
	if wrong := r.wrong.Load(); wrong > 0 {
		tb.Errorf("%d of %d pairs of NOTIFYs were taken in the wrong order", wrong, n)
	}
	return int(r.wrong.Load())
}

// run keeps one phone busy with its share of the calls.
func (r *race) run(phone int) {
	p, open := r.phones[phone], 0
	for i := phone; i < len(r.all) || open > 0; i += phones {
		if open == perPhone || i >= len(r.all) {
			r.check(<-p.ended)
			open--
		}
		if i < len(r.all) {
			r.all[i].running = r.server.call(i, p.host)
			open++
		}
	}
}

// check looks at a call that the server has hung up, and forgets it.
func (r *race) check(i int) {
	var got []string
	for _, row := range r.all[i].running.Snapshot().Rows {
		if row.Method == call.ByNotify {
			got = append(got, row.Line)
		}
	}
	r.all[i].running = nil
	if !slices.Equal(got, []string{"SIP/2.0 180 Ringing", "SIP/2.0 200 OK"}) {
		r.lost.Add(1)
	}
}

// react is a phone that answers at once and reports twice in one breath.
func (r *race) react(ended chan<- int) reaction {
	return func(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
		i, err := strconv.Atoi(userOf(m))
		switch {
		case m.Status == 500:
			r.wrong.Add(1)
		case m.IsResponse():
		case err != nil:
			tb.Errorf("%s to %s", m.Method, m.Get(sip.To))
		case m.Method == sip.INVITE:
			a.send(tb, a.answer(m, 200), from)
		case m.Method == sip.REFER:
			a.send(tb, a.answer(m, 202), from)
			if !r.all[i].referred.Swap(true) {
				a.send(tb, a.notify(m, 1, "active;expires=60", "SIP/2.0 180 Ringing"), from)
				a.send(tb, a.notify(m, 2, "terminated;reason=noresource", "SIP/2.0 200 OK"), from)
			}
		case m.Method == sip.BYE:
			a.send(tb, a.answer(m, 200), from)
			if !r.all[i].ended.Swap(true) {
				ended <- i
			}
		}
	}
}
