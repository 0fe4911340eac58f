package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/journal"
	"callcontroller/internal/stream"
)

func event(pos journal.Position) journal.Entry {
	return journal.Entry{Position: pos, Call: "a", Event: "x", Data: []byte(`{"type":"x"}`)}
}

// TestReadersCostTheStoreOne: readers from wherever, once they have caught up, leave the
// journal to the hub.
func TestReadersCostTheStoreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		const early, all, readers = 2000, 4000, 50
		at := func(i int) journal.Position { return journal.Position(i+1) << 10 }
		for i := range early {
			f.append(event(at(i)))
		}
		h := stream.New(stream.Config{Journal: f})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got := make([]int, readers)
		var done sync.WaitGroup
		for n := range readers {
			after := at(n*early/readers - 1)
			done.Go(func() {
				for range h.Read(ctx, after, journal.Filter{}) {
					got[n]++
				}
			})
		}
		synctest.Wait()
		f.append(event(at(early))) // Who was faster than the hub waits in the store for one more.
		synctest.Wait()
		if n := f.readers.Load(); n != 1 {
			t.Errorf("the store has %d readers when all have caught up", n)
		}
		before := f.reads.Load()
		for i := early + 1; i < all; i++ {
			f.append(event(at(i)))
		}
		synctest.Wait()
		if n := f.reads.Load(); n != before {
			t.Errorf("what came then was read from the store by %d more", n-before)
		}
		for n := range got {
			if want := all - n*early/readers; got[n] != want {
				t.Errorf("reader %d got %d, want %d", n, got[n], want)
			}
		}
		cancel()
		done.Wait()
		h.Close()
	})
}

// TestNobodyReads: a hub that nobody has read for a while leaves the store alone, and a
// reader that comes then gets everything all the same.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := stream.New(stream.Config{Journal: f})
		defer h.Close()
		at := func(i int) journal.Position { return journal.Position(i+1) << 10 }
		last := 0
		read := func(after journal.Position, n int) {
			t.Helper()
			for e, err := range h.Read(t.Context(), after, journal.Filter{}) {
				if last++; err != nil || e.Position != at(last-1) {
					t.Fatalf("entry %d is at %d, %v", last, e.Position, err)
				}
				if n--; n == 0 {
					return
				}
			}
		}
		synctest.Wait()
		if f.reads.Load() != 0 {
			t.Error("the store is read before anybody reads")
		}
		for i := range 20 {
			f.append(event(at(i)))
		}
		read(0, 10)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := f.readers.Load(); n != 0 {
			t.Errorf("the store has %d readers when nobody reads", n)
		}
		f.append(event(at(20)))
		read(at(9), 11)
	})
}

// TestEnds: a reader learns that hub or journal has closed, and nothing when it has left.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(*fake, *stream.Hub, context.CancelFunc){
		"hub":     func(_ *fake, h *stream.Hub, _ context.CancelFunc) { h.Close() },
		"journal": func(f *fake, _ *stream.Hub, _ context.CancelFunc) { f.close() },
		"reader":  func(_ *fake, _ *stream.Hub, leave context.CancelFunc) { leave() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.append(event(2000))
				h := stream.New(stream.Config{Journal: f})
				defer h.Close()
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				results := make(chan error, 3)
				for _, after := range []journal.Position{0, 2000} { // one on each side of the ring
					go func() {
						var last error
						for _, err := range h.Read(ctx, after, journal.Filter{}) {
							last = err
						}
						results <- last
					}()
				}
				synctest.Wait()
				end(f, h, leave)
				for range 2 {
					if err := <-results; errors.Is(err, journal.ErrClosed) == (name == "reader") {
						t.Errorf("the last error is %v", err)
					}
				}
			})
		})
	}
}

// TestSince: the position is before everything from that time on, and costs few reads.
func TestSince(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(rt, "entries")
		step := journal.Position(rapid.IntRange(1, 64<<10).Draw(rt, "step"))
		kept := rapid.IntRange(0, n).Draw(rt, "kept")
		asked := start.Add(time.Duration(rapid.IntRange(-5, n+5).Draw(rt, "second")) * time.Second)
		size := rapid.IntRange(1, 200).Draw(rt, "ring")
		var fault string
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			var first journal.Position
			for i := range n {
				e := event(begin + journal.Position(i+1)*step)
				e.Time = start.Add(time.Duration(i) * time.Second)
				f.append(e)
			}
			f.trim(kept)
			for _, e := range f.entries {
				if !e.Time.Before(asked) && e.Position > f.trimmed {
					first = e.Position
					break
				}
			}
			h := stream.New(stream.Config{Journal: f, MaxEntries: size})
			defer h.Close()
			synctest.Wait()
			before := f.reads.Load()
			got := h.Since(t.Context(), asked)
			switch {
			case first != 0 && got >= first:
				fault = "an entry is before it"
			case f.reads.Load()-before > 16:
				fault = "it took many reads"
			case first != 0 && got != 0 && got < f.trimmed:
				fault = "it is no longer kept"
			}
		})
		if fault != "" {
			rt.Error(fault)
		}
	})
}
