package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogBuffer: lines wait for each other, but not long, not beside a warning, and not
// when there are many.
func TestLogBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := &logBuffer{out: &out}
		log := slog.New(urgent{slog.NewTextHandler(b, nil), b}).With("a", 1).WithGroup("g")
		for round := range 2 {
			out.Reset()
			log.Info("one")
			log.Info("two", "b", 2)
			time.Sleep(logDelay - time.Millisecond)
			if out.Len() != 0 {
				t.Errorf("round %d: written at once: %s", round, out.String())
			}
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "msg=two a=1 g.b=2") {
				t.Errorf("round %d: written are %q", round, got)
			}
		}
		out.Reset()
		log.Info("before")
		log.Warn("now")
		if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "now") {
			t.Errorf("with a warning are written %q", got)
		}
		out.Reset()
		for out.Len() == 0 && b.waiting() <= 2*logRoom {
			log.Info("many")
		}
		if out.Len() < logRoom || out.Len() > logRoom+100 {
			t.Errorf("%d bytes have waited, the limit is %d", out.Len(), logRoom)
		}
	})
}

func (b *logBuffer) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lines)
}
