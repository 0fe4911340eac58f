package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"callcontroller/test/bench/load"
)

// Rates at which standing calls are placed and let go, a second.
const (
	placeRate = 800
	letGoRate = 2000
)

// quiet is for how long calls have stood when their memory is read: what their set-up took
// is given back after 32 s (RFC 3261, 17.1 and 17.2), and to the system some seconds later.
const quiet = 50 * time.Second

// crowd is calls that stand until they are let go.
type crowd struct {
	want    int
	stands  atomic.Int64
	all     chan struct{} // closed when all stand
	lost    chan string   // why one does not
	release chan struct{}
	result  *load.Result
	ended   chan struct{}
}

// gather has calls of a flow stand: connected, or ringing when the flow is Refer.
func gather(ctx context.Context, s *server, phones *load.Phones, flow load.Flow, n int) (*crowd, error) {
	c := &crowd{want: n, all: make(chan struct{}), lost: make(chan string, n), release: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.result = phones.Run(ctx, load.Options{
			Flow: flow, API: s.api(flow), Calls: n, Rate: placeRate, Ring: flow == load.Refer, Hold: c.hold, Lost: func(why string) { c.lost <- why }, Timeout: 30 * time.Second,
		})
	}()
	select {
	case <-c.all:
		return c, pause(ctx, 5*time.Second)
	case why := <-c.lost:
		return nil, fmt.Errorf("%s: not all of %d calls stand: %s", s.name, n, why)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *crowd) hold() {
	if int(c.stands.Add(1)) == c.want {
		close(c.all)
	}
	<-c.release
}

// letGo ends the calls, and tells how that went.
func (c *crowd) letGo() error {
	start := time.Now()
	for n := range c.want {
		<-time.After(time.Until(start.Add(time.Duration(n) * time.Second / letGoRate)))
		c.release <- struct{}{}
	}
	<-c.ended
	if c.result.Failed > 0 {
		return fmt.Errorf("%d of %d standing calls did not end well: %v", c.result.Failed, c.want, c.result.Reasons)
	}
	return nil
}

// standing is what calls take that stand.
type standing struct {
	Server string  `json:"server"`
	State  string  `json:"state"`
	Calls  int     `json:"calls"`
	Before float64 `json:"pss_before_mib"`
	With   float64 `json:"pss_with_mib"`
	Each   float64 `json:"pss_kib_a_call"`
	AtOnce float64 `json:"pss_kib_a_call_at_once"` // when the last one has just come to stand
}

// standingCalls measures the memory of each server anew: pools that were touched are not
// given back.
func (b *bench) standingCalls(ctx context.Context) error {
	for _, what := range []struct {
		start func(context.Context) (*server, error)
		flow  load.Flow
		state string
	}{
		{b.world.callcontroller, load.Refer, "ringing"},
		{b.world.callcontroller, load.Invite, "established"},
		{b.world.kamailio, load.Refer, "ringing"},
	} {
		s, err := what.start(ctx)
		if err != nil {
			return err
		}
		seen, err := b.stand(ctx, s, what.flow)
		s.process.Stop()
		if err != nil {
			return err
		}
		seen.State = what.state
		progressf("%s: %d calls %s: %.1f MiB before, %.1f with them: %.2f KiB a call (%.2f at once)", seen.Server, seen.Calls, seen.State, seen.Before, seen.With, seen.Each, seen.AtOnce)
		b.seen.Standing = append(b.seen.Standing, seen)
	}
	return nil
}

func (b *bench) stand(ctx context.Context, s *server, flow load.Flow) (*standing, error) {
	if _, err := measure(ctx, s, b.phones[0], load.Options{Flow: flow, Calls: 200, AtOnce: 10}); err != nil {
		return nil, err
	}
	pids, err := family(s.process.PID())
	if err != nil {
		return nil, err
	}
	before, err := pss(pids)
	if err != nil {
		return nil, err
	}
	c, err := gather(ctx, s, b.phones[0], flow, b.standing)
	if err != nil {
		return nil, err
	}
	atOnce, err := pss(pids)
	err = errors.Join(err, pause(ctx, quiet))
	with, err2 := pss(pids)
	if err := errors.Join(err, err2, c.letGo()); err != nil {
		return nil, err
	}
	const mib = 1 << 20
	return &standing{
		Server: s.name, Calls: b.standing, Before: float64(before) / mib, With: float64(with) / mib,
		Each: float64(with-before) / 1024 / float64(b.standing), AtOnce: float64(atOnce-before) / 1024 / float64(b.standing),
	}, nil
}

// growth measures what a new call costs while few stand, and while many do: two servers,
// in turns.
func (b *bench) growth(ctx context.Context) error {
	const few = 100
	var servers []*server
	for _, n := range []int{few, b.standing} {
		s, err := b.world.callcontroller(ctx)
		if err != nil {
			return err
		}
		defer s.process.Stop()
		s.name = fmt.Sprintf("with %d standing", n)
		servers = append(servers, s)
	}
	c, err := gather(ctx, servers[0], b.phones[0], load.Invite, few)
	if err != nil {
		return err
	}
	many, err := gather(ctx, servers[1], b.phones[1], load.Invite, b.standing)
	if err != nil {
		return err
	}
	return errors.Join(b.grown(ctx, servers), c.letGo(), many.letGo())
}

func (b *bench) grown(ctx context.Context, servers []*server) error {
	for round := range b.rounds + 1 {
		if err := b.turn(ctx, b.phones[2], round, manyRefer, servers, &b.seen.Growth); err != nil {
			return err
		}
	}
	return nil
}

// kept is what calls cost that stand for long, with keep-alives.
type kept struct {
	Calls   int     `json:"calls"`
	Minutes float64 `json:"minutes"`
	CPU     float64 `json:"cpu_percent_of_a_core"`
	Memory  float64 `json:"pss_mib"`
	Failed  int     `json:"failed"`
}

func (b *bench) keepalive(ctx context.Context) error {
	s, err := b.world.callcontroller(ctx)
	if err != nil {
		return err
	}
	defer s.process.Stop()
	c, err := gather(ctx, s, b.phones[0], load.Invite, b.long)
	if err != nil {
		return err
	}
	progressf("%d calls stand for %v", b.long, b.length)
	pids := []int{s.process.PID()}
	used, err := spent(pids, func() error { return pause(ctx, b.length) })
	if err != nil {
		return err
	}
	memory, err := pss(pids)
	if err := errors.Join(err, c.letGo()); err != nil {
		return err
	}
	b.seen.Kept = &kept{
		Calls: b.long, Minutes: b.length.Minutes(), Failed: c.result.Failed, Memory: float64(memory) / (1 << 20),
		CPU: 100 * float64(used) / float64(b.length),
	}
	return nil
}
