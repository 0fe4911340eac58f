package main

import (
	"context"
	"path/filepath"
	"time"

	"callcontroller/test/bench/load"
)

// Loads of a round. A call of flow invite at a fixed rate stands for a moment.
const (
	manyRefer  = "REFER, 50 at once"
	manyInvite = "INVITE, 50 at once"
	rateRefer  = "REFER, 400/s"
	rateInvite = "INVITE, 400/s"

	rate     = 400
	rateTime = 5 * time.Second
	holdTime = 200 * time.Millisecond
)

func (b *bench) load(name string) load.Options {
	atRate := load.Options{Flow: load.Refer, Calls: int(rate * rateTime.Seconds()), Rate: rate}
	switch name {
	case manyRefer:
		return load.Options{Flow: load.Refer, Calls: b.calls, AtOnce: 50}
	case manyInvite:
		return load.Options{Flow: load.Invite, Calls: b.calls, AtOnce: 50}
	case rateInvite:
		atRate.Flow, atRate.Hold = load.Invite, func() { <-time.After(holdTime) }
	}
	return atRate
}

// rounded measures both servers in turns. The servers stay up, and the first round, which
// warms them up, does not count.
func (b *bench) rounded(ctx context.Context) error {
	ours, err := b.world.callcontroller(ctx)
	if err != nil {
		return err
	}
	defer ours.process.Stop()
	peer, err := b.peer(ctx)
	if err != nil {
		return err
	}
	defer peer.process.Stop()
	both := []*server{ours, peer}
	invite := both
	if b.against == "" {
		invite = both[:1] // Kamailio has no such call
	}
	for round := range b.rounds + 1 {
		for _, turn := range []struct {
			load    string
			servers []*server
		}{
			{manyRefer, both}, {manyInvite, invite}, {rateRefer, both}, {rateInvite, invite},
		} {
			if err := b.turn(ctx, b.phones[0], round, turn.load, turn.servers, &b.seen.Rounds); err != nil {
				return err
			}
		}
	}
	return nil
}

// peer is what callcontroller is measured beside: Kamailio, or another build of itself.
func (b *bench) peer(ctx context.Context) (*server, error) {
	if b.against == "" {
		return b.world.kamailio(ctx)
	}
	s, err := b.world.start(ctx, b.against)
	if err != nil {
		return nil, err
	}
	s.name = filepath.Base(b.against)
	return s, nil
}

// turn gives one load to some servers, one after the other, in the next round the other
// way round. What is seen comes to seen.
func (b *bench) turn(ctx context.Context, phones *load.Phones, round int, name string, servers []*server, seen *[]*measured) error {
	for i := range servers {
		s := servers[(i+round)%len(servers)]
		m, err := measure(ctx, s, phones, b.load(name))
		if err != nil {
			return err
		}
		m.Load, m.Round = name, round
		progressf("round %d  %-20s %-18s %6.0f calls/s  %.3f ms CPU (load %.3f)  second step %.2f/%.2f ms  %d failed",
			round, s.name, name, m.CallsASecond, m.CPU, m.Loader, m.Second.P50, m.Second.P99, m.Failed+m.Refused)
		if round > 0 {
			*seen = append(*seen, m)
		}
	}
	return nil
}
