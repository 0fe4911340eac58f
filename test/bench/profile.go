package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"callcontroller/test/bench/flame"
)

// profile records with perf(1) where callcontroller spends its time: for each load a file
// of perf's and a picture.
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
	progressf("%s: %.3f ms CPU a call, in %s and %s.svg", name, m.CPU, file, file)
	return draw(ctx, file, fmt.Sprintf("callcontroller, %s: %.3f ms of CPU a call", name, m.CPU))
}

// draw makes the picture of what was recorded.
func draw(ctx context.Context, file, title string) error {
	script := exec.CommandContext(ctx, "perf", "script", "-i", file, "-F", "ip,sym") //nolint:gosec // our file
	out, err := script.Output()
	if err != nil {
		return fmt.Errorf("perf script: %w", err)
	}
	stacks, err := flame.Read(bytes.NewReader(out))
	if err != nil {
		return err
	}
	return os.WriteFile(file+".svg", stacks.SVG(title), 0o600)
}
