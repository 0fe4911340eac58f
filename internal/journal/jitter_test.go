package journal

import (
	"testing"
	"time"
)

func TestJitterIsATenthAtMost(t *testing.T) {
	for _, d := range []time.Duration{0, 1, time.Millisecond, 24 * time.Hour} {
		for range 1000 {
			if got := jittered(d); got < d || got > d+d/10 {
				t.Fatalf("%v became %v", d, got)
			}
		}
	}
}
