package heap

import (
	"log/slog"
	"runtime/debug"
	"testing"

	"pgregory.net/rapid"
)

// TestPercent: under load as much garbage as two seconds bring, or as many as it takes for
// the collections to cost little; at rest some megabytes.
func TestPercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name       string
		rate, live uint64
		want       int // MiB of garbage
	}{
		{"at rest", 0, 8 * mib, 8},
		{"at rest, with calls that stand", mib / 2, 128 * mib, 16},
		{"a little", mib / 2, 8 * mib, 8},
		{"a load", 50 * mib, 10 * mib, 500},
		{"a load beside calls that stand", 10 * mib, 200 * mib, 111},
		{"more than there may be", 500 * mib, 10 * mib, 512},
		{"before the first collection", 10 * mib, 0, 100},
	} {
		tuner := &Tuner{most: mostGarbage, rate: c.rate}
		if got := max(c.live, smallest) / mib * uint64(tuner.percent(c.live)) / 100; got+1 < uint64(c.want) || got > uint64(c.want) {
			t.Errorf("%s: %d MiB, want %d", c.name, got, c.want)
		}
	}
}

// TestWithinMemory: garbage never takes more than its share, or a sixteenth of what lives.
func TestWithinMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tuner := &Tuner{most: rapid.Uint64Range(least, 1<<36).Draw(t, "most"), rate: rapid.Uint64Range(0, 1<<34).Draw(t, "rate")}
		live := rapid.Uint64Range(0, 1<<36).Draw(t, "live")
		garbage := max(live, smallest) / 100 * uint64(tuner.percent(live))
		if garbage > max(tuner.most, max(live, smallest)/leastShare+least) {
			t.Fatalf("there are %d bytes of garbage, most are %d", garbage, tuner.most)
		}
	})
}

// TestFalls: when the load ends, the process is as at rest within seconds.
func TestFalls(t *testing.T) {
	tuner := &Tuner{most: 1 << 30, rate: 1 << 27}
	for range 10 {
		tuner.rate = smooth(tuner.rate, 0)
	}
	if got := tuner.percent(8 << 20); got > usual+usual/leastShare {
		t.Errorf("GOGC is still %d", got)
	}
}

// TestRests: some seconds after a load, once for each, memory is given back.
func TestRests(t *testing.T) {
	tuner, given := &Tuner{most: mostGarbage, rate: 1 << 27}, 0
	for look := range 200 {
		if look == 100 {
			tuner.rate = 1 << 27
		}
		if tuner.rests(8 << 20) {
			given++
			if tuner.rate > least {
				t.Error("under load")
			}
		}
		tuner.rate = smooth(tuner.rate, 0)
	}
	if given != 2 {
		t.Errorf("%d times, want 2", given)
	}
}

// TestEnvironment: who sets GOGC has it so.
func TestEnvironment(t *testing.T) {
	t.Setenv("GOGC", "200")
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(-1)
	tuner := Start(slog.New(slog.DiscardHandler))
	tuner.Close()
	if tuner != nil || debug.SetMemoryLimit(-1) != before {
		t.Error("it sets what the environment has set")
	}
}

// TestStart: it starts and ends.
func TestStart(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	Start(slog.New(slog.DiscardHandler)).Close()
}
