package timing

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

type recorder struct {
	mu    sync.Mutex
	begin time.Time
	at    map[uint8][]time.Duration
}

func newRecorder() *recorder {
	return &recorder{begin: time.Now(), at: map[uint8][]time.Duration{}}
}

func (r *recorder) Fired(id uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[id] = append(r.at[id], time.Since(r.begin))
}

func TestTimersFireOnceNeverEarlyAtMostTwoTicksLate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delays := rapid.SliceOfN(rapid.Int64Range(0, int64(2*time.Hour)), 1, 60).Draw(rt, "delays")
		synctest.Test(t, func(t *testing.T) { fire(t, (*Wheel).Start, delays, 2*Tick) })
	})
}

// fire starts timers, and checks that each fires once, never early, and so late at most. It
// gives when they fired.
func fire(t *testing.T, start func(*Wheel, *Timer, time.Duration, Owner, uint8), delays []int64, late time.Duration) (moments map[time.Duration]bool) {
	t.Helper()
	w := New()
	defer w.Close()
	r := newRecorder()
	timers := make([]Timer, len(delays))
	for i, d := range delays {
		start(w, &timers[i], time.Duration(d), r, uint8(i))
	}
	time.Sleep(2*time.Hour + time.Second)
	synctest.Wait()
	moments = map[time.Duration]bool{}
	for i, d := range delays {
		got := r.at[uint8(i)]
		if len(got) != 1 {
			t.Fatalf("timer %d of %v fired %d times", i, time.Duration(d), len(got))
		}
		if off := got[0] - time.Duration(d); off < 0 || off > late {
			t.Fatalf("timer of %v fired %v off", time.Duration(d), off)
		}
		moments[got[0]] = true
	}
	if n := w.Running(); n != 0 {
		t.Fatalf("%d timers left", n)
	}
	return moments
}

func TestStopAndRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New()
		defer w.Close()
		r := newRecorder()
		var stopped, restarted Timer
		w.Start(&stopped, time.Second, r, 1)
		w.Start(&restarted, time.Second, r, 2)
		time.Sleep(900 * time.Millisecond)
		if !w.Stop(&stopped) {
			t.Error("Stop of a running timer says it was not running")
		}
		if w.Stop(&stopped) {
			t.Error("Stop of a stopped timer says it was running")
		}
		w.Start(&restarted, time.Second, r, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.at[1]) != 0 {
			t.Errorf("the stopped timer fired at %v", r.at[1])
		}
		if len(r.at[2]) != 1 || r.at[2][0] < 1900*time.Millisecond {
			t.Errorf("the restarted timer fired at %v", r.at[2])
		}
	})
}

// TestShortTimerWakesALongSleep: a timer that is started while the goroutine sleeps
// for a far one is not late.
func TestShortTimerWakesALongSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New()
		defer w.Close()
		r := newRecorder()
		var far, near Timer
		w.Start(&far, time.Hour, r, 1)
		time.Sleep(10 * time.Second)
		w.Start(&near, 500*time.Millisecond, r, 2)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(r.at[2]) != 1 {
			t.Fatal("the near timer did not fire in time")
		}
	})
}

func BenchmarkStartStop(b *testing.B) {
	w := New()
	defer w.Close()
	timers := make([]Timer, 100_000)
	r := newRecorder()
	for i := range timers {
		w.Start(&timers[i], time.Duration(rand.Int64N(int64(time.Hour)))+time.Hour, r, 0)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		t := &timers[i%len(timers)]
		w.Stop(t)
		w.Start(t, 2*time.Hour, r, 0)
	}
}

// TestAboutTogether: timers that need not be exact fire with others, never early, and not
// much late.
func TestAboutTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delays := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 50, 60).Draw(rt, "delays")
		synctest.Test(t, func(t *testing.T) {
			moments := fire(t, (*Wheel).StartAbout, delays, Together+2*Tick)
			if most := int(time.Second/Together) + 1; len(moments) > most {
				t.Fatalf("they fired at %d moments, at most %d are wanted", len(moments), most)
			}
		})
	})
}
