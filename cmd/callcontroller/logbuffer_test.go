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
		written := func() string {
			b.mu.Lock() // The timer writes on a goroutine of its own.
			defer b.mu.Unlock()
			defer out.Reset()
			return out.String()
		}
		log := slog.New(urgent{slog.NewTextHandler(b, nil), b}).With("a", 1).WithGroup("g")
		for round := range 2 {
			log.Info("one")
			log.Info("two", "b", 2)
			time.Sleep(logDelay - time.Millisecond)
			if got := written(); got != "" {
				t.Errorf("round %d: written at once: %s", round, got)
			}
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if got := written(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "msg=two a=1 g.b=2") {
				t.Errorf("round %d: written are %q", round, got)
			}
		}
		log.Info("before")
		log.Warn("now")
		if got := written(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "now") {
			t.Errorf("with a warning are written %q", got)
		}
		many := ""
		for i := 0; many == "" && i < logRoom; i++ {
			log.Info("many")
			many = written()
		}
		if len(many) < logRoom || len(many) > logRoom+100 {
			t.Errorf("%d bytes have waited, the limit is %d", len(many), logRoom)
		}
	})
}
