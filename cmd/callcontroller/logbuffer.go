package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line of the log may wait for others.
	logDelay = 20 * time.Millisecond
	// logRoom is how many bytes may wait.
	logRoom = 32 << 10
)

// logBuffer writes the lines of the log together: a system call for each costs more than
// the line itself. What waits when the process is killed is lost.
type logBuffer struct {
	out io.Writer

	mu    sync.Mutex
	lines []byte
	timer *time.Timer // nil before the first line; runs while lines wait
}

// Write takes a line.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := len(b.lines) == 0
	b.lines = append(b.lines, line...)
	switch {
	case len(b.lines) >= logRoom:
		return len(line), b.write()
	case b.timer == nil:
		b.timer = time.AfterFunc(logDelay, b.Flush)
	case first:
		b.timer.Reset(logDelay)
	}
	return len(line), nil
}

// Flush writes what waits.
func (b *logBuffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.write() // Nobody is left who could be told.
}

// write writes what waits, b.mu being held.
func (b *logBuffer) write() error {
	if len(b.lines) == 0 {
		return nil
	}
	_, err := b.out.Write(b.lines)
	b.lines = b.lines[:0]
	return err
}

// urgent lets no warning and no error wait, nor what was logged before it.
type urgent struct {
	slog.Handler

	buffer *logBuffer
}

// Handle implements slog.Handler.
func (u urgent) Handle(ctx context.Context, r slog.Record) error {
	err := u.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		u.buffer.Flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (u urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return urgent{u.Handler.WithAttrs(attrs), u.buffer}
}

// WithGroup implements slog.Handler.
func (u urgent) WithGroup(name string) slog.Handler {
	return urgent{u.Handler.WithGroup(name), u.buffer}
}
