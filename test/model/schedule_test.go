package model

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/call"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/test/phones"
)

// schedule is all that happens in one run.
type schedule struct {
	mode   call.Mode
	auto   bool // flow I
	phones [3]phones.Plan
	api    []act
	net    weather
}

// act is what the API asks for.
type act struct {
	at    time.Duration
	event call.Event
}

// weather is what the network does to each datagram.
type weather struct {
	seed       uint64
	lost, twin int // per cent
	delay      time.Duration
}

func durations(most time.Duration) *rapid.Generator[time.Duration] {
	return rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, int(most/(100*time.Millisecond))).Draw(t, "tenths")) * 100 * time.Millisecond
	})
}

func draw(t *rapid.T) schedule {
	s := schedule{mode: rapid.SampledFrom([]call.Mode{call.ByStay, call.ByRefer}).Draw(t, "mode")}
	s.auto = rapid.SampledFrom([]bool{false, false, true}).Draw(t, "automatic")
	for i := range s.phones {
		s.phones[i] = drawPlan(t)
	}
	for range rapid.IntRange(0, 4).Draw(t, "acts") {
		s.api = append(s.api, drawAct(t))
	}
	s.net = weather{
		seed: rapid.Uint64().Draw(t, "weather"), lost: rapid.SampledFrom([]int{0, 0, 10, 30}).Draw(t, "lost"),
		twin:  rapid.SampledFrom([]int{0, 0, 20}).Draw(t, "doubled"),
		delay: rapid.SampledFrom([]time.Duration{0, 0, 20 * time.Millisecond, time.Second, 30 * time.Second}).Draw(t, "delay"),
	}
	return s
}

func drawPlan(t *rapid.T) phones.Plan {
	p := phones.Plan{
		Ring: durations(20*time.Second).Draw(t, "ring"), Answer: rapid.SampledFrom([]phones.Answer{phones.Yes, phones.Yes, phones.Yes, phones.Yes, phones.Busy, phones.No, phones.Never}).Draw(t, "answer"),
		Bye:    max(0, durations(60*time.Second).Draw(t, "bye")-20*time.Second),
		Takes:  rapid.SampledFrom([]phones.Answer{phones.Yes, phones.Yes, phones.Yes, phones.No, phones.Late, phones.Never}).Draw(t, "takes"),
		Thinks: rapid.SampledFrom([]time.Duration{0, 0, time.Second, 10 * time.Second}).Draw(t, "thinks"),
		Refer:  rapid.SampledFrom([]int{202, 202, 405, 603, 0}).Draw(t, "REFER"),
		Report: rapid.SampledFrom([]string{"SIP/2.0 200 OK", "SIP/2.0 486 Busy Here", ""}).Draw(t, "report"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "asks") {
		p.Asks = append(p.Asks, phones.Ask{After: durations(30*time.Second).Draw(t, "after"), SDP: rapid.SampledFrom([]string{"sendonly", "sendrecv", "inactive", ""}).Draw(t, "sdp")})
	}
	return p
}

func drawAct(t *rapid.T) act {
	a := act{at: durations(60*time.Second).Draw(t, "at")}
	leg := call.Leg(rapid.IntRange(0, 1).Draw(t, "leg"))
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		a.event = call.Hangup{By: call.ByAgent}
	case 2:
		a.event = call.Hold{Leg: leg}
	case 3:
		a.event = call.Resume{Leg: leg}
	case 1:
		a.event = call.Transfer{Leg: call.Callee, Target: &call.Party{URI: uriOf(2)}}
	default:
		a.event = call.Transfer{Leg: call.Caller, Target: &call.Party{URI: uriOf(2)}}
	}
	return a
}

// hook makes the network of a weather. watch sees each datagram, and whether and when
// it arrives.
func (w weather) hook(watch func(from, to netip.AddrPort, data []byte, arrivals []memnet.Delivery)) memnet.Hook {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(w.seed, 1)) //nolint:gosec // A test repeats its chances.
	return func(from, to netip.AddrPort, data []byte) []memnet.Delivery {
		mu.Lock()
		arrivals := w.fate(r)
		mu.Unlock()
		watch(from, to, data, arrivals)
		return arrivals
	}
}

func (w weather) fate(r *rand.Rand) []memnet.Delivery {
	arrivals := []memnet.Delivery{}
	if r.IntN(100) >= w.lost {
		arrivals = append(arrivals, memnet.Delivery{Delay: w.wait(r)})
	}
	if r.IntN(100) < w.twin {
		arrivals = append(arrivals, memnet.Delivery{Delay: w.wait(r)})
	}
	return arrivals
}

// wait is short mostly, and as long as it may be now and then.
func (w weather) wait(r *rand.Rand) time.Duration {
	if w.delay == 0 {
		return 0
	}
	most := w.delay
	if r.IntN(4) > 0 {
		most = min(most, 200*time.Millisecond)
	}
	return time.Duration(r.Int64N(int64(most) + 1))
}
