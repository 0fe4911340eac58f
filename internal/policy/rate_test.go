package policy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/policy"
)

// TestX19Rate: as many at once as in a second, then one for each interval.
func TestX19Rate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := policy.NewRate(100)
		take := func(n int) (taken int) {
			for range n {
				if _, ok := r.Take(); ok {
					taken++
				}
			}
			return taken
		}
		if got := take(500); got != 100 {
			t.Errorf("%d of 500 at once are taken", got)
		}
		if after, ok := r.Take(); ok || after != 10*time.Millisecond {
			t.Errorf("one more: %t, after %s", ok, after)
		}
		time.Sleep(250 * time.Millisecond)
		if got := take(500); got != 25 {
			t.Errorf("%d are taken a quarter of a second later", got)
		}
		time.Sleep(time.Hour)
		if got := take(500); got != 100 {
			t.Errorf("%d of 500 are taken after a rest", got)
		}
		if _, ok := policy.NewRate(0).Take(); !ok {
			t.Error("without a bound one is refused")
		}
	})
}
