//go:build race

package load

// calls is how many stand at once: the race detector makes each step slow, and what
// the figures are about does not change with it.
const calls = 1_000
