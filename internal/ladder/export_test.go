package ladder

import "unsafe"

// What the tests know of the ring.
const (
	RowSize     = rowSize
	SegmentRows = segmentRows
	SegmentSize = segmentSize
)

// A row has to have the size with which is reckoned.
var _ = [1]struct{}{}[unsafe.Sizeof(row{})-rowSize]

// Memory is what the ring takes.
func Memory(l *Ladder) int { return len(l.ring.segments) * segmentSize }

// Legs is how many legs are known.
func Legs(l *Ladder) int { return len(l.legs) }

// Rows is how many messages are kept.
func Rows(l *Ladder) (n int) {
	l.ring.all(func(*row, []byte) { n++ })
	return n
}
