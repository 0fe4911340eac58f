package soak

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
	"callcontroller/test/phones"
)

// roomy is the network of this machine with room for a burst in each socket.
type roomy struct{ transport.System }

// ListenPacket implements transport.Net.
func (r roomy) ListenPacket(ctx context.Context, addr string) (transport.PacketConn, error) {
	conn, err := r.System.ListenPacket(ctx, addr)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(*net.UDPConn); ok {
		err = c.SetReadBuffer(4 << 20)
	}
	return conn, err
}

// server is the whole SIP side, from the socket to the core.
type server struct {
	wheel  *timing.Wheel
	layer  *transport.Layer
	ua     *dialog.UA
	engine *engine.Engine
	addr   netip.AddrPort
}

func newServer(tb testing.TB, front netip.AddrPort) *server {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &server{wheel: timing.New()}
	s.layer = transport.New(transport.Config{Net: roomy{}, Advertise: front.String(), Log: log},
		func(m *sip.Message, from transport.Source) { s.ua.Receive(m, from) })
	s.ua = dialog.New(dialog.Config{
		Transport: s.layer, Resolver: &transport.Resolver{}, Wheel: s.wheel, Log: log, UserAgent: "callcontroller",
		Domain: "example.com", Allow: signalling.Methods,
	})
	addr, err := s.layer.Listen(context.Background(), transport.UDP, "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.addr = addr
	s.engine = engine.New(signalling.New(signalling.Config{
		UA: s.ua, Wheel: s.wheel, SessionExpires: 90, SinkPort: 40000, Log: log, Account: func(string) *digest.Credentials { return nil },
	}), s.wheel, log)
	return s
}

func (s *server) close(tb testing.TB) {
	tb.Helper()
	if err := s.layer.Close(); err != nil {
		tb.Error(err)
	}
	s.wheel.Close()
}

// newPhones is one phone for every party.
func newPhones(tb testing.TB, back netip.AddrPort) *phones.Phone {
	tb.Helper()
	f, err := phones.New(context.Background(), phones.Options{Net: roomy{}, Listen: "127.0.0.1:0", Advertise: back.String(), Plan: plan})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// plan is another one for each user, and the same each time.
func plan(user string) phones.Plan {
	h := fnv.New64()
	_, _ = h.Write([]byte(user))
	r := rand.New(rand.NewPCG(h.Sum64(), 2)) //nolint:gosec // A test repeats its chances.
	p := phones.Plan{
		Ring: upTo(r, 1500*time.Millisecond), Thinks: upTo(r, time.Second),
		Answer: phones.Yes, Takes: phones.Yes, Refer: 202, Report: "SIP/2.0 200 OK",
	}
	switch r.IntN(16) {
	case 0:
		p.Answer = phones.Busy
	case 1:
		p.Answer = phones.Never
	case 2:
		p.Refer = 405
	case 3:
		p.Report = "SIP/2.0 486 Busy Here"
	case 4:
		p.Takes = phones.No
	case 5, 6, 7, 8:
		p.Asks = []phones.Ask{{After: upTo(r, 2*time.Second), SDP: "sendonly"}, {After: upTo(r, 4*time.Second), SDP: "sendrecv"}}
	}
	if r.IntN(3) > 0 {
		p.Bye = 2*time.Second + upTo(r, 3*time.Second)
	}
	return p
}

// left tells what the server still holds.
func (s *server) left() string {
	u := s.ua.Stats()
	return fmt.Sprintf("%d calls, %d sessions, %d client and %d server transactions, %d timers",
		s.engine.Len(), u.Sessions, u.Transactions.Clients, u.Transactions.Servers, s.wheel.Running())
}

const nothing = "0 calls, 0 sessions, 0 client and 0 server transactions, 0 timers"

// place makes call number i, and what its agent asks for meanwhile.
func (s *server) place(i int, mode call.Mode, back netip.AddrPort) *engine.Running {
	uri := func(role string) string { return fmt.Sprintf("sip:%s%d@%s", role, i, back) }
	r := s.engine.Add(call.New(call.ID(fmt.Sprintf("soak-%d", i)), &call.Order{
		Mode: mode, Fallback: true, Agent: call.Party{URI: "sip:agent@example.com"},
		Caller: call.Party{URI: uri("a")}, Callee: call.Party{URI: uri("b")}, ReferredBy: "sip:agent@example.com",
		Limits: &call.Limits{
			RingTimeout: 6 * time.Second, NotifyTimeout: 8 * time.Second, ReferLimit: 10 * time.Second,
			MaxDuration: 6 * time.Second, KeepAlive: time.Minute, MaxRows: 100,
		},
	}))
	r.Post(call.Start{})
	chance := rand.New(rand.NewPCG(uint64(i), 13)) //nolint:gosec // A test repeats its chances.
	for range 2 {
		if act := draft(chance, uri("c")); act != nil {
			time.AfterFunc(time.Second+upTo(chance, 4*time.Second), func() { r.Post(act) })
		}
	}
	return r
}

// draft draws what an agent asks for, which is nothing mostly.
func draft(r *rand.Rand, target string) call.Event {
	leg := call.Leg(r.IntN(2))
	switch r.IntN(20) {
	case 0:
		return call.Hangup{By: call.ByAgent}
	case 1, 2:
		return call.Hold{Leg: leg}
	case 3:
		return call.Resume{Leg: leg}
	case 4, 5:
		return call.Transfer{Leg: leg, Target: &call.Party{URI: target}}
	default:
		return nil
	}
}

// heap is what lives on it. Two collections also empty the pools.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// until looks every tenth of a second whether something is so, and gives up at a limit.
func until(limit time.Duration, so func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); time.Now().Before(end); <-tick.C {
		if so() {
			return true
		}
	}
	return so()
}

// upTo draws a time below d.
func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
