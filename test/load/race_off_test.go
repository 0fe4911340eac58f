//go:build !race

package load

const (
	calls      = 10_000 // that stand at once
	eventCalls = 10_000
	leftover   = 64 << 10 // bytes of heap that all of them may leave: the collector's own; one pointer a call would be more
)
