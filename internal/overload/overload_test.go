package overload

import (
	"log/slog"
	"testing"
	"time"
)

// TestControl: at rest everything is taken; while goroutines wait, calls are refused.
func TestControl(t *testing.T) {
	c := New(func() time.Duration { return 0 }, slog.New(slog.DiscardHandler))
	for range 1000 {
		if !c.Admit() {
			t.Fatal("a call is refused at rest")
		}
	}
	begin := c.gate.at
	for i := range sure {
		c.look(begin.Add(time.Duration(i+1)*every), time.Second, 0)
	}
	n := 0
	for range 1000 {
		if c.Admit() {
			n++
		}
	}
	if n > 100 {
		t.Errorf("%d of 1000 are taken in overload", n)
	}
}

// TestWaits: the runtime tells how long goroutines wait.
func TestWaits(t *testing.T) {
	w := newWaits()
	done := make(chan struct{})
	for range 1000 {
		go func() { done <- struct{}{} }()
	}
	for range 1000 {
		<-done
	}
	if got, _ := w.since(); got < 0 || got > time.Minute {
		t.Errorf("they have waited %v", got)
	}
	if len(w.before) == 0 {
		t.Error("the runtime tells nothing")
	}
}
