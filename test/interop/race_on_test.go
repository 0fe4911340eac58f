//go:build race

package interop

// raceFlags builds the program under test as this test was built.
var raceFlags = []string{"-race"}
