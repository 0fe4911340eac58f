package transport

import (
	"cmp"
	"math/rand/v2"
	"net"
	"slices"
)

// order sorts SRV records as RFC 2782 says: by priority, and within one priority
// by a draw in which each record's chance is its weight. pick draws from 0 to n-1.
func order(records []*net.SRV, pick func(n int) int) []*net.SRV {
	left := slices.Clone(records)
	slices.SortStableFunc(left, func(a, b *net.SRV) int {
		// Within a priority those without weight come first, so that they have a
		// small chance.
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight))
	})
	sorted := make([]*net.SRV, 0, len(left))
	for len(left) > 0 {
		i := draw(left, pick)
		sorted = append(sorted, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return sorted
}

// draw chooses among the records that have the priority of the first.
func draw(records []*net.SRV, pick func(n int) int) int {
	same, sum := 0, 0
	for same < len(records) && records[same].Priority == records[0].Priority {
		sum += int(records[same].Weight)
		same++
	}
	point := pick(sum + 1) // 0 to sum, both included
	for i := range same {
		if point -= int(records[i].Weight); point <= 0 {
			return i
		}
	}
	return same - 1
}

func pick(n int) int { return rand.IntN(n) }
