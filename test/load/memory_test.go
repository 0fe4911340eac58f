package load

import (
	"bytes"
	"context"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport/memnet"
)

// perCall is the most heap that a standing call may take, in bytes.
const perCall = 2816

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.10:5060")
	phoneAddr  = netip.MustParseAddrPort("192.0.2.20:5060")
)

// plant is a server and the one phone of all its calls, in virtual time.
type plant struct {
	*testing.T
	*server
	phone *automaton
	calls int // that stand at once

	heap       uint64 // before the first call
	goroutines int
}

func inPlant(t *testing.T, react reaction, test func(p *plant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(memnet.Options{})
		conn, err := network.Host(phoneAddr.Addr()).ListenPacket(context.Background(), phoneAddr.String())
		if err != nil {
			t.Fatal(err)
		}
		p := &plant{T: t, calls: calls, phone: &automaton{conn: conn, addr: phoneAddr, react: react}}
		go p.phone.serve(t)
		p.server = serve(t, network.Host(serverAddr.Addr()), serverAddr.String(), mustURI(t, "sip:"+phoneAddr.String()))
		synctest.Wait()
		p.heap, p.goroutines = heap(), runtime.NumGoroutine()
		test(p)
		p.close(t)
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

// heap is what lives on it. Two collections also empty the pools.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// place starts all calls and gives what each takes when nothing more happens.
func (p *plant) place() (all []*engine.Running, each uint64) {
	p.Helper()
	all = make([]*engine.Running, p.calls)
	before := heap()
	for i := range all {
		all[i] = p.call(i, "example.com")
	}
	time.Sleep(33 * time.Second) // No transaction but the INVITE's own is left.
	synctest.Wait()
	each = (heap() - before) / uint64(p.calls)
	if n := runtime.NumGoroutine(); n != p.goroutines {
		p.Errorf("%d goroutines run for %d calls, %d without", n, p.calls, p.goroutines)
	}
	return all, each
}

// wantNothingLeft checks that the server is as it was 33 s after the last call.
func (p *plant) wantNothingLeft(all []*engine.Running) {
	p.Helper()
	for i, r := range all {
		if c := r.Snapshot(); !c.Over() {
			p.Fatalf("call %d is %s, leg %s", i, c.State, c.CallerLeg)
		}
	}
	clear(all) // Snapshots stay readable: it is the test that holds them.
	time.Sleep(33 * time.Second)
	synctest.Wait()
	if got := p.left(); got != nothing {
		p.Errorf("left: %s", got)
	}
	if n := runtime.NumGoroutine(); n != p.goroutines {
		p.Errorf("%d goroutines are left, %d there were", n, p.goroutines)
	}
	after := heap()
	p.Logf("heap: %d bytes before, %d after", p.heap, after)
	if after > p.heap+leftover {
		p.Errorf("%d bytes are left of %d calls", after-p.heap, p.calls)
	}
}

// ring is a phone that rings, and stops when it is told.
func ring(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	switch m.Method {
	case sip.INVITE:
		a.send(tb, a.answer(m, 100), from)
		a.send(tb, a.answer(m, 180), from)
	case sip.CANCEL:
		a.send(tb, a.answer(m, 200), from)
		// The INVITE's response needs its Via and CSeq number, which the CANCEL shares.
		gone := a.answer(m, 487)
		gone.Set(sip.CSeq, strings.Replace(m.Get(sip.CSeq), sip.CANCEL, sip.INVITE, 1))
		a.send(tb, gone, from)
	}
}

// guarded is ring behind a proxy that asks for credentials.
func guarded(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	if m.Method != sip.INVITE || m.Has(sip.ProxyAuthorization) {
		ring(tb, a, m, from)
		return
	}
	challenge := a.answer(m, 407)
	challenge.Add(sip.ProxyAuthenticate, `Digest realm="example.com", nonce="ZySfkWckn2Uuo3ZS4Nd2OPyyYgUqSy7s", qop="auth", algorithm=MD5`)
	a.send(tb, challenge, from)
}

// TestX18RingingCalls: a ringing call takes little, and nothing when it is over, also
// behind a proxy with digest.
func TestX18RingingCalls(t *testing.T) {
	for name, react := range map[string]reaction{"open": ring, "digest": guarded} {
		t.Run(name, func(t *testing.T) { testRinging(t, react) })
	}
}

func testRinging(t *testing.T, react reaction) {
	t.Helper()
	inPlant(t, react, func(p *plant) {
		all, each := p.place()
		p.Logf("%d ringing calls take %d bytes of heap each", calls, each)
		if each > perCall {
			p.Errorf("a ringing call takes %d bytes, more than %d", each, perCall)
		}
		for i, r := range all {
			if s := r.Snapshot().State; s != call.CallerRinging {
				p.Fatalf("call %d is %s", i, s)
			}
		}
		p.engine.HangupAll(call.ByServer)
		synctest.Wait()
		p.wantNothingLeft(all)
	})
}

// referred is a phone that answers, takes the REFER and reports once. It notes each
// REFER in room that is there before the first call.
type referred struct{ notes [calls][1024]byte }

func (r *referred) react(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	switch m.Method {
	case sip.INVITE:
		a.send(tb, a.answer(m, 180), from)
		a.send(tb, a.answer(m, 200), from)
	case sip.REFER:
		i, err := strconv.Atoi(userOf(m))
		if err != nil || len(m.Raw()) > len(r.notes[i]) {
			tb.Errorf("REFER of %d bytes in call %q", len(m.Raw()), userOf(m))
			return
		}
		copy(r.notes[i][:], m.Raw())
		a.send(tb, a.answer(m, 202), from)
		a.send(tb, a.notify(m, 1, "active;expires=60", "SIP/2.0 100 Trying"), from)
	}
}

// hangUp sends the BYE of each call, and then its last NOTIFY.
func (r *referred) hangUp(p *plant) {
	p.Helper()
	for i := range r.notes {
		refer, err := sip.Parse(bytes.TrimRight(r.notes[i][:], "\x00"))
		if err != nil {
			p.Fatalf("call %d had no REFER: %v", i, err)
		}
		p.phone.send(p, p.phone.request(refer, sip.BYE, 2), serverAddr)
		p.phone.send(p, p.phone.notify(refer, 3, "terminated;reason=noresource", "SIP/2.0 200 OK"), serverAddr)
	}
}

// TestX18AnsweredCalls: a call that waits for the phone's reports takes no more than a
// ringing one, and nothing when the phone has hung up.
func TestX18AnsweredCalls(t *testing.T) {
	r := new(referred)
	inPlant(t, r.react, func(p *plant) {
		all, each := p.place()
		p.Logf("%d answered calls take %d bytes of heap each", calls, each)
		if each > perCall {
			p.Errorf("an answered call takes %d bytes, more than %d", each, perCall)
		}
		for i, c := range all {
			if s := c.Snapshot().State; s != call.CallingCallee {
				p.Fatalf("call %d is %s", i, s)
			}
		}
		r.hangUp(p)
		synctest.Wait()
		for i, c := range all {
			if got := c.Snapshot().Outcome.Result; got != call.Completed {
				p.Fatalf("call %d ended as %s", i, got)
			}
		}
		p.wantNothingLeft(all)
	})
	runtime.KeepAlive(r)
}
