package model

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

// server is the whole SIP side, from the datagram to the core.
type server struct {
	wheel  *timing.Wheel
	layer  *transport.Layer
	ua     *dialog.UA
	engine *engine.Engine
}

func newServer(t *testing.T, n *memnet.Network) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &server{wheel: timing.New()}
	s.layer = transport.New(transport.Config{Net: n.Host(serverAddr.Addr()), Log: log}, func(m *sip.Message, from transport.Source) { s.ua.Receive(m, from) })
	s.ua = dialog.New(dialog.Config{
		Transport: s.layer, Resolver: &transport.Resolver{}, Wheel: s.wheel, Log: log, UserAgent: "callcontroller",
		Domain: "example.com", Allow: signalling.Methods,
	})
	if _, err := s.layer.Listen(t.Context(), transport.UDP, serverAddr.String()); err != nil {
		t.Fatal(err)
	}
	s.engine = engine.New(signalling.New(signalling.Config{
		UA: s.ua, Wheel: s.wheel, SessionExpires: 90, SinkPort: 40000, Log: log, Account: func(string) *digest.Credentials { return nil },
	}), s.wheel, log)
	return s
}

func (s *server) close() {
	_ = s.layer.Close()
	s.wheel.Close()
}

// left tells what the server still holds, "" for nothing.
func (s *server) left() string {
	u := s.ua.Stats()
	if s.engine.Len()+u.Sessions+u.Transactions.Clients+u.Transactions.Servers+s.wheel.Running() == 0 {
		return ""
	}
	return fmt.Sprintf("%d calls, %d sessions, %d client and %d server transactions, %d timers",
		s.engine.Len(), u.Sessions, u.Transactions.Clients, u.Transactions.Servers, s.wheel.Running())
}

func order(s schedule) *call.Order {
	return &call.Order{
		Mode: s.mode, Automatic: s.auto, Fallback: true, Agent: call.Party{URI: "sip:agent@example.com"},
		Caller: call.Party{URI: uriOf(0)}, Callee: call.Party{URI: uriOf(1)}, ReferredBy: "sip:agent@example.com",
		Limits: &call.Limits{
			RingTimeout: 15 * time.Second, NotifyTimeout: 32 * time.Second, ReferLimit: 60 * time.Second, KeepAlive: time.Minute, MaxRows: 100,
		},
	}
}

// play runs a schedule to its end and gives what was wrong.
func play(t *testing.T, s schedule) (faults, trace []string) {
	t.Helper()
	g := newLedger()
	n := memnet.New(memnet.Options{Hook: s.net.hook(g.watch)})
	for i, p := range s.phones {
		f := newPhone(t, n, i, p)
		defer f.Close()
	}
	v := newServer(t, n)
	defer v.close()
	r := v.engine.Add(call.New("call", order(s)))
	r.Post(call.Start{})
	for _, a := range s.api {
		time.AfterFunc(a.at, func() { r.Post(a.event) })
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if c := r.Snapshot(); c.State == call.Ended && v.left() != "" {
		g.faultf("the call has ended as %s, and there are %s", c.Outcome.Result, v.left())
	}
	v.engine.HangupAll(call.ByServer)
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if v.left() != "" {
		g.faultf("at the end there are %s", v.left())
	}
	return g.check(), g.trace
}

// TestModel plays random schedules.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := draw(rt)
		var faults, trace []string
		synctest.Test(t, func(t *testing.T) { faults, trace = play(t, s) })
		if len(faults) > 0 {
			rt.Fatalf("%+v\n%s\n%s", s, strings.Join(trace, "\n"), strings.Join(faults, "\n"))
		}
	})
}
