// Package load holds the figures that the server must reach: what a call costs in
// memory and time, what is left when it is over, and that no message overtakes
// another. Nothing here measures against a clock that could fail on a slow
// machine: memory and order are tests, times are benchmarks.
//
// The peers are automata without any state, so that what a test measures is the
// server's.
package load
