package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what a sitting has seen.
type report struct {
	Machine  string      `json:"machine"`
	Rounds   []*measured `json:"rounds,omitempty"`
	Standing []*standing `json:"standing,omitempty"`
	Growth   []*measured `json:"growth,omitempty"`
	Overload *overload   `json:"overload,omitempty"`
	Kept     *kept       `json:"keepalive,omitempty"`
	Million  *million    `json:"million,omitempty"`
}

func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name\t: "); ok {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", model, runtime.NumCPU(), runtime.Version(), time.Now().Format(time.DateOnly))
}

// markdown prints the tables.
func (r *report) markdown(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.Machine)
	r.rounds(w)
	r.rest(w)
}

// line is one row of the table: what one server did of one load.
type line struct{ load, server string }

func (r *report) rounds(w io.Writer) {
	if len(r.Rounds) == 0 {
		return
	}
	fmt.Fprint(w, "| Load | Server | Calls/s | CPU ms a call | Second step p50, ms | p99, ms | Failed |\n|---|---|---|---|---|---|---|\n")
	for _, l := range linesOf(r.Rounds) {
		ms := l.of(r.Rounds)
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %d of %d |\n", l.load, l.server,
			median(ms, "%.0f", func(m *measured) float64 { return m.CallsASecond }),
			median(ms, "%.3f", func(m *measured) float64 { return m.CPU }),
			median(ms, "%.2f", func(m *measured) float64 { return m.Second.P50 }),
			median(ms, "%.2f", func(m *measured) float64 { return m.Second.P99 }),
			failures(ms), calls(ms))
	}
	fmt.Fprintln(w)
	r.ratios(w)
}

// ratios compares ours with the peer, round by round: each load with the same one, or one
// that the peer has not with its REFER calls.
func (r *report) ratios(w io.Writer) {
	fmt.Fprint(w, "| Compared, round by round | Calls/s | CPU a call | Second step p99 |\n|---|---|---|---|\n")
	lines := linesOf(r.Rounds)
	for _, ours := range lines {
		if ours.server != ourName {
			continue
		}
		i := slices.IndexFunc(lines, func(l line) bool { return l.server != ourName && l.load == ours.load })
		if i < 0 {
			i = slices.IndexFunc(lines, func(l line) bool { return l.server != ourName && ours.load == manyInvite && l.load == manyRefer })
		}
		if i >= 0 {
			r.compare(w, ours, lines[i])
		}
	}
	fmt.Fprintln(w)
}

// compare prints a line of ratios.
func (r *report) compare(w io.Writer, ours, peer line) {
	a, b := ours.of(r.Rounds), peer.of(r.Rounds)
	if len(a) != len(b) {
		return
	}
	ratio := func(of func(*measured) float64) string {
		var all []float64
		for i := range a {
			all = append(all, of(a[i])/of(b[i]))
		}
		return spread(all, "%.2f")
	}
	fmt.Fprintf(w, "| %s, to %s's %s | %s | %s | %s |\n", ours.load, peer.server, peer.load,
		ratio(func(m *measured) float64 { return m.CallsASecond }),
		ratio(func(m *measured) float64 { return m.CPU }),
		ratio(func(m *measured) float64 { return m.Second.P99 }))
}

// linesOf gives the rows in the order of their loads.
func linesOf(all []*measured) (lines []line) {
	for _, m := range all {
		if l := (line{m.Load, m.Server}); !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return strings.Compare(a.load, b.load) })
	return lines
}

// of gives what belongs to a row, by rounds.
func (l line) of(all []*measured) (ms []*measured) {
	for _, m := range all {
		if m.Load == l.load && m.Server == l.server {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *measured) int { return a.Round - b.Round })
	return ms
}

func median(ms []*measured, format string, of func(*measured) float64) string {
	var all []float64
	for _, m := range ms {
		all = append(all, of(m))
	}
	return spread(all, format)
}

// spread is the median, the least and the most.
func spread(all []float64, format string) string {
	slices.Sort(all)
	middle := (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	return fmt.Sprintf(format+" ["+format+".."+format+"]", middle, all[0], all[len(all)-1])
}

func failures(ms []*measured) (n int) {
	for _, m := range ms {
		n += m.Failed + m.Refused
	}
	return n
}

func calls(ms []*measured) (n int) {
	for _, m := range ms {
		n += m.Calls
	}
	return n
}
