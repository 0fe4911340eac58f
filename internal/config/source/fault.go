// Package source reads YAML that people write, keeps the place of every value, and
// collects all the mistakes in it instead of stopping at the first. It knows
// nothing of what the keys mean. Both the configuration and the users file are
// read by it, so both report mistakes in one form.
//
// It never prints a value on its own: a value can be a secret, so only a caller
// who knows that it is none hands it to a Fault. The package starts no goroutine
// and keeps no state.
package source

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Fault is one mistake in what somebody wrote.
type Fault struct {
	Place  string // "FILE:LINE:COLUMN", "FILE", the name of an environment variable, or what else names the place
	Key    string // dotted, as in "sip.account.username"; "" when the fault concerns no key
	Value  string // what was written; "" when it is long, secret or not there
	Reason string // the rule that is broken, in words that say what to write

	line, column int // 0 when the place is no line of a file
}

// String gives the fault on one line.
func (f Fault) String() string {
	var b strings.Builder
	if f.Place != "" {
		b.WriteString(f.Place + ": ")
	}
	b.WriteString(f.Key)
	if f.Value != "" {
		b.WriteString(" " + strconv.Quote(clip(f.Value)))
	}
	if f.Key != "" || f.Value != "" {
		b.WriteString(": ")
	}
	b.WriteString(f.Reason)
	return b.String()
}

// clip keeps what somebody wrote in a fault short.
func clip(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}

// Faults is all that is wrong, an error when it is not empty.
type Faults []Fault

// Error gives one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Err is f as an error, or nil when there is no fault.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Sort puts the faults of a file in the order of its lines, and those without a
// line behind them, in the order in which they were found.
func (f Faults) Sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		if (a.line == 0) != (b.line == 0) {
			return b.line - a.line
		}
		return cmp.Or(a.line-b.line, a.column-b.column)
	})
}

// Names tells whether one of the faults concerns that key.
func (f Faults) Names(key string) bool {
	return slices.ContainsFunc(f, func(fault Fault) bool { return fault.Key == key })
}
