// Package source reads YAML that people write, keeps the place of every value, and
// collects all the mistakes in it instead of stopping at the first. It knows
// nothing of what the keys mean. Both the configuration and the users file are
// read by it, so both report mistakes in one form. It also owns how a file that may
// hold secrets is read, and put in the place of another.
//
// It never prints a value on its own: a value can be a secret, so only a caller
// who knows that it is none hands it to a Fault. The package starts no goroutine
// and keeps no state.
package source

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Place tells where something was written.
type Place struct {
	Name   string // a file, an environment variable, or what else names the place
	Line   int    // from 1; 0 when the place is no line of a file
	Column int    // from 1; 0 when only the line is known
}

// String gives NAME:LINE:COLUMN as far as they are known.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.Name
	case p.Column == 0:
		return p.Name + ":" + strconv.Itoa(p.Line)
	}
	return p.Name + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Fault is one mistake in what somebody wrote.
type Fault struct {
	Place  Place
	Key    string // dotted, as in "sip.account.username"; "" when the fault concerns no key
	Value  string // what was written; "" when it is long, secret or not there
	Reason string // the rule that is broken, in words that say what to write
}

// String gives the fault on one line.
func (f Fault) String() string {
	var b strings.Builder
	if f.Place.Name != "" {
		b.WriteString(f.Place.String() + ": ")
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
type Faults []Fault //nolint:errname // a list of faults, which is an error only when it is not empty

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

// Sort puts the faults of one file together, in the order of its lines, and behind
// them those of the file as a whole. Files, variables and the like stay in the
// order in which the first fault of each was found.
func (f Faults) Sort() {
	first := map[string]int{}
	for i, fault := range f {
		if _, ok := first[fault.Place.Name]; !ok {
			first[fault.Place.Name] = i
		}
	}
	line := func(p Place) int {
		if p.Line == 0 {
			return math.MaxInt
		}
		return p.Line
	}
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(first[a.Place.Name], first[b.Place.Name]),
			cmp.Compare(line(a.Place), line(b.Place)),
			cmp.Compare(a.Place.Column, b.Place.Column))
	})
}

// Has tells whether one of the faults concerns that key at that place.
func (f Faults) Has(key string, at Place) bool {
	return slices.ContainsFunc(f, func(fault Fault) bool { return fault.Key == key && fault.Place == at })
}
