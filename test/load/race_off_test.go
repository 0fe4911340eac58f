//go:build !race

package load

// calls is how many stand at once.
const calls = 10_000
