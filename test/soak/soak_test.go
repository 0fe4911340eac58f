package soak

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

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

var calls = flag.Int("soak.calls", 0, "calls in each mode; 0 for a few, over a network that is not quite so bad")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plant is a server, and the phones behind a relay.
type plant struct {
	relay  *relay
	phones *phones.Phone
	wheel  *timing.Wheel
	layer  *transport.Layer
	ua     *dialog.UA
	engine *engine.Engine
}

func newPlant(t *testing.T, w weather) *plant {
	t.Helper()
	p := &plant{relay: newRelay(t, w), wheel: timing.New()}
	log := slog.New(slog.DiscardHandler)
	p.layer = transport.New(transport.Config{Advertise: p.relay.toLeft().String(), Log: log}, func(m *sip.Message, from transport.Source) { p.ua.Receive(m, from) })
	p.ua = dialog.New(dialog.Config{
		Transport: p.layer, Resolver: &transport.Resolver{}, Wheel: p.wheel, Log: log, UserAgent: "callcontroller",
		Domain: "example.com", Allow: signalling.Methods,
	})
	server, err := p.layer.Listen(t.Context(), transport.UDP, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.engine = engine.New(signalling.New(signalling.Config{
		UA: p.ua, Wheel: p.wheel, SinkPort: 40000, Log: log, Account: func(string) *digest.Credentials { return nil },
	}), p.wheel, log)
	users, err := phones.New(t.Context(), phones.Options{Net: transport.System{}, Listen: "127.0.0.1:0", Advertise: p.relay.toRight().String(), Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	p.phones = users
	p.relay.join(server, users.Addr())
	return p
}

// plan is another one for each user, and the same each time.
func plan(user string) phones.Plan {
	n, _ := strconv.ParseUint(user, 10, 64)
	r := rand.New(rand.NewPCG(n, 2)) //nolint:gosec // A test repeats its chances.
	upTo := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
	p := phones.Plan{Ring: upTo(3 * time.Second), Answer: phones.Yes, Takes: phones.Yes, Refer: 202, Report: "SIP/2.0 200 OK", Thinks: upTo(time.Second)}
	switch r.IntN(10) {
	case 0:
		p.Answer = phones.Busy
	case 1:
		p.Refer = 405
	case 2:
		p.Takes = phones.No
	case 3, 4, 5:
		p.Asks = []phones.Ask{{After: upTo(2 * time.Second), SDP: "sendonly"}, {After: upTo(4 * time.Second), SDP: "sendrecv"}}
	}
	if r.IntN(2) == 0 {
		p.Bye = time.Second + upTo(4*time.Second)
	}
	return p
}

func (p *plant) close() {
	p.phones.Close()
	_ = p.layer.Close()
	p.wheel.Close()
	p.relay.close()
}

// place starts a call between two users of its own.
func (p *plant) place(i int, mode call.Mode) *engine.Running {
	uri := func(n int) string { return fmt.Sprintf("sip:%d@%s", n, p.relay.toRight()) }
	r := p.engine.Add(call.New(call.ID(strconv.Itoa(i)), &call.Order{
		Mode: mode, Fallback: true, Agent: call.Party{URI: "sip:agent@example.com"}, Caller: call.Party{URI: uri(2 * i)}, Callee: call.Party{URI: uri(2*i + 1)},
		ReferredBy: "sip:agent@example.com",
		Limits: &call.Limits{
			RingTimeout: 20 * time.Second, NotifyTimeout: 32 * time.Second, ReferLimit: time.Minute,
			KeepAlive: 10 * time.Second, MaxDuration: 20 * time.Second, MaxRows: 100,
		},
	}))
	r.Post(call.Start{})
	return r
}

// left tells what the server still holds, "" for nothing.
func (p *plant) left() string {
	u := p.ua.Stats()
	if p.engine.Len()+u.Sessions+u.Transactions.Clients+u.Transactions.Servers+p.wheel.Running() == 0 {
		return ""
	}
	return fmt.Sprintf("%d calls, %d sessions, %d client and %d server transactions, %d timers",
		p.engine.Len(), u.Sessions, u.Transactions.Clients, u.Transactions.Servers, p.wheel.Running())
}

// TestX07Soak: every call reaches its end, and nothing is left.
func TestX07Soak(t *testing.T) {
	t.Parallel()
	w, n := weather{seed: 1, lost: 10, twin: 10, jitter: 50 * time.Millisecond}, 40
	if *calls > 0 {
		w, n = weather{seed: 1, lost: 30, twin: 10, jitter: 200 * time.Millisecond}, *calls
	}
	for name, mode := range map[string]call.Mode{"REFER": call.ByRefer, "INVITE": call.ByStay} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			soak(t, w, n, mode)
		})
	}
}

func soak(t *testing.T, w weather, n int, mode call.Mode) {
	t.Helper()
	p := newPlant(t, w)
	defer p.close()
	all := make([]*engine.Running, n)
	tick := time.NewTicker(10 * time.Millisecond)
	for i := range all {
		<-tick.C
		all[i] = p.place(i, mode)
	}
	tick.Stop()
	// The longest way: INVITEs of both legs, their talk, the BYEs, and what lingers.
	const limit = 4 * time.Minute
	eventually(t, limit, func() string { return p.left() })
	results := map[call.Result]int{}
	for i, r := range all {
		c := r.Snapshot()
		if !c.Over() {
			t.Errorf("call %d is %s", i, c.State)
		}
		results[c.Outcome.Result]++
	}
	t.Logf("%d calls: %v; %d of %d datagrams lost", n, results, p.relay.lostCount.Load(), p.relay.sentCount.Load())
	if results[call.Completed] == 0 {
		t.Error("no call was completed")
	}
}

// eventually waits until what tells nothing any more.
func eventually(t *testing.T, limit time.Duration, what func() string) {
	t.Helper()
	end := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		text := what()
		if text == "" {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("left after %v: %s", limit, text)
		}
	}
}
