package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// profile records with perf(1) where callcontroller spends its time, a file for each load.
func (b *bench) profile(ctx context.Context) error {
	for file, name := range map[string]string{"perf.refer": manyRefer, "perf.invite": manyInvite, "perf.rate": rateRefer} {
		if err := b.record(ctx, file, name); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) record(ctx context.Context, file, name string) error {
	s, err := b.world.callcontroller(ctx)
	if err != nil {
		return err
	}
	defer s.process.Stop()
	if _, err := measure(ctx, s, b.phones[0], b.load(name)); err != nil { // warms up
		return err
	}
	perf := exec.CommandContext(ctx, "perf", "record", "-q", "-g", "-F", "499", "-o", file, "-p", strconv.Itoa(s.process.PID())) //nolint:gosec // a number
	perf.Stderr = os.Stderr
	if err := perf.Start(); err != nil {
		return fmt.Errorf("perf(1): %w", err)
	}
	m, err := measure(ctx, s, b.phones[0], b.load(name))
	_ = perf.Process.Signal(syscall.SIGINT)
	_ = perf.Wait() // it says by a signal that it got one
	if err != nil {
		return err
	}
	progressf("%s: %.3f ms CPU a call, in %s", name, m.CPU, file)
	return nil
}
