//go:build race

package load

// The race detector makes each step slow, and what the figures are about does not
// change with it. So few calls leave the tables at a size that they keep.
const (
	calls = 1_000
	// Fewer would not fill what lies between the server and a reader that stops.
	eventCalls = 4_000
	leftover   = 512 << 10
)
