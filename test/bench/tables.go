package main

import (
	"fmt"
	"io"
)

// rest prints what is not of the rounds.
func (r *report) rest(w io.Writer) {
	if len(r.Standing) > 0 {
		fmt.Fprint(w, "| Standing calls | Server | MiB before (PSS) | MiB with them | KiB a call | KiB a call at once |\n|---|---|---|---|---|---|\n")
		for _, s := range r.Standing {
			fmt.Fprintf(w, "| %d %s | %s | %.1f | %.1f | %.2f | %.2f |\n", s.Calls, s.State, s.Server, s.Before, s.With, s.Each, s.AtOnce)
		}
		fmt.Fprintln(w)
	}
	r.grown(w)
	if o := r.Overload; o != nil {
		fmt.Fprint(w, "| Overload | |\n|---|---|\n")
		fmt.Fprintf(w, "| calls/s that it can place, offered | %.0f, %.0f |\n", o.Capacity, o.Offered)
		fmt.Fprintf(w, "| completed, refused (503), failed | %d (%.0f/s), %d, %d |\n", o.During.Completed, o.During.CallsASecond, o.During.Refused, o.During.Failed)
		fmt.Fprintf(w, "| whole call, of those accepted: p50, p99, longest | %.1f, %.1f, %.1f ms |\n", o.During.Reached.P50, o.During.Reached.P99, o.During.Reached.Max)
		fmt.Fprintf(w, "| 400/s, from a second after it on: p50, p99, not completed | %.1f, %.1f ms, %d of %d |\n\n",
			o.After.Reached.P50, o.After.Reached.P99, o.After.Calls-o.After.Completed, o.After.Calls)
	}
	if k := r.Kept; k != nil {
		fmt.Fprintf(w, "%d established calls stood for %.0f minutes with keep-alives: %.1f %% of a core, %.0f MiB (PSS), %d failed.\n\n", k.Calls, k.Minutes, k.CPU, k.Memory, k.Failed)
	}
	if m := r.Million; m != nil {
		fmt.Fprintf(w, "%d calls in %.0f s: %d completed, %d failed %v; %.3f ms CPU a call; PSS %.1f MiB before, %.1f after, %.1f when they are forgotten.\n",
			m.Calls, m.Seconds, m.Completed, m.Failed, m.Reasons, m.CPU, m.Before, m.After, m.Later)
	}
}

func (r *report) grown(w io.Writer) {
	if len(r.Growth) == 0 {
		return
	}
	fmt.Fprint(w, "| A new call (REFER, 50 at once) | Calls/s | CPU ms a call |\n|---|---|---|\n")
	for _, l := range linesOf(r.Growth) {
		ms := l.of(r.Growth)
		fmt.Fprintf(w, "| %s | %s | %s |\n", l.server,
			median(ms, "%.0f", func(m *measured) float64 { return m.CallsASecond }),
			median(ms, "%.3f", func(m *measured) float64 { return m.CPU }))
	}
	fmt.Fprintln(w)
}
