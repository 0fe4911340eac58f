package transport

import (
	"net"
	"strings"
	"testing"
)

// TestOrder checks the draw of RFC 2782 by playing all draws once each.
func TestOrder(t *testing.T) {
	records := []*net.SRV{
		{Target: "late", Priority: 9, Weight: 100},
		{Target: "two", Priority: 1, Weight: 2},
		{Target: "one", Priority: 1, Weight: 1},
		{Target: "zero", Priority: 1, Weight: 0},
	}
	for first, want := range map[int]string{0: "zero", 1: "one", 2: "two", 3: "two"} {
		draws := 0
		got := order(records, func(n int) int {
			draws++
			if draws == 1 {
				if n != 4 {
					t.Errorf("the first draw is among %d, want 4", n)
				}
				return first
			}
			return 0
		})
		if got[0].Target != want || got[3].Target != "late" {
			t.Errorf("draw %d: %s first and %s last, want %s and late", first, got[0].Target, got[3].Target, want)
		}
	}
	if records[0].Target != "late" {
		t.Error("the records of the caller were changed")
	}
}

// TestOrderKeepsAll: nothing is lost, and priorities never mix.
func TestOrderKeepsAll(t *testing.T) {
	var records []*net.SRV
	for i, name := range strings.Split("abcdefghij", "") {
		records = append(records, &net.SRV{Target: name, Priority: uint16(i / 4), Weight: uint16(i % 3 * 10)})
	}
	for range 100 {
		var text strings.Builder
		last := uint16(0)
		for _, r := range order(records, pick) {
			if r.Priority < last {
				t.Fatalf("priority %d after %d", r.Priority, last)
			}
			last = r.Priority
			text.WriteString(r.Target)
		}
		if got := text.String(); len(got) != 10 || strings.Trim(got, "abcdefghij") != "" || strings.Count(got, "a") != 1 {
			t.Fatalf("order %q", got)
		}
	}
}
