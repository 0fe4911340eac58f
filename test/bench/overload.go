package main

import (
	"context"
	"time"

	"callcontroller/test/bench/load"
)

// overload is what becomes of three times as many calls as the server can place, and of
// usual ones right after.
type overload struct {
	Capacity float64      `json:"capacity_calls_a_second"`
	Offered  float64      `json:"offered_calls_a_second"`
	During   *load.Result `json:"during"`
	After    *load.Result `json:"after"` // from the first second after it on
}

const overloadTime = 10 * time.Second

func (b *bench) overload(ctx context.Context) error {
	s, err := b.world.callcontroller(ctx)
	if err != nil {
		return err
	}
	defer s.process.Stop()
	capacity := 0.0
	for range 2 { // the first warms up
		m, err := measure(ctx, s, b.phones[0], b.load(manyRefer))
		if err != nil {
			return err
		}
		capacity = m.CallsASecond
	}
	o := &overload{Capacity: capacity, Offered: 3 * capacity}
	o.During = b.phones[0].Run(ctx, load.Options{
		Flow: load.Refer, API: s.api(load.Refer), Rate: o.Offered, Calls: int(o.Offered * overloadTime.Seconds()), Timeout: 30 * time.Second,
	})
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	after := b.load(rateRefer)
	after.API = s.api(after.Flow)
	o.After = b.phones[0].Run(ctx, after)
	b.seen.Overload = o
	progressf("overload: %d completed, %d refused, %d failed; after it p99 %.2f ms, %d refused", o.During.Completed, o.During.Refused, o.During.Failed,
		o.After.Reached.P99, o.After.Refused)
	return nil
}

// million is many calls, one after the other.
type million struct {
	Calls     int            `json:"calls"`
	Completed int            `json:"completed"`
	Failed    int            `json:"failed"`
	Reasons   map[string]int `json:"reasons,omitempty"`
	Seconds   float64        `json:"seconds"`
	CPU       float64        `json:"cpu_ms_a_call"`
	Before    float64        `json:"pss_before_mib"`
	After     float64        `json:"pss_after_mib"`
	Later     float64        `json:"pss_later_mib"` // when the calls are forgotten
}

// forgotten is after which time nothing is kept of a call but its record in the journal:
// resultCacheTime, and some seconds.
const forgotten = 200 * time.Second

// million places calls of both flows in turns, in portions.
func (b *bench) million(ctx context.Context) error {
	const portion = 50000
	s, err := b.world.callcontroller(ctx)
	if err != nil {
		return err
	}
	defer s.process.Stop()
	pids := []int{s.process.PID()}
	out, start := &million{Reasons: map[string]int{}}, time.Now()
	before, err := pss(pids)
	if err != nil {
		return err
	}
	used := 0.0
	for out.Calls < b.many {
		o := load.Options{Flow: load.Refer, Calls: min(portion, b.many-out.Calls), AtOnce: 50}
		if out.Calls/portion%2 == 1 {
			o.Flow = load.Invite
		}
		m, err := measure(ctx, s, b.phones[0], o)
		if err != nil {
			return err
		}
		out.add(m, o.Flow)
		used += m.CPU * float64(m.Completed)
		progressf("%d calls, %d failed", out.Calls, out.Failed)
	}
	after, err := pss(pids)
	if err != nil {
		return err
	}
	out.Seconds, out.CPU = time.Since(start).Seconds(), used/float64(out.Completed)
	if err := pause(ctx, forgotten); err != nil {
		return err
	}
	later, err := pss(pids)
	if err != nil {
		return err
	}
	out.Before, out.After, out.Later = float64(before)/(1<<20), float64(after)/(1<<20), float64(later)/(1<<20)
	b.seen.Million = out
	return nil
}

func (m *million) add(seen *measured, flow load.Flow) {
	m.Calls += seen.Calls
	m.Completed += seen.Completed
	m.Failed += seen.Failed + seen.Refused
	for why, n := range seen.Reasons {
		m.Reasons[why] += n
	}
	if seen.Refused > 0 {
		m.Reasons["refused, flow "+string(flow)] += seen.Refused
	}
}
