package load

import (
	"math"
	"slices"
	"time"
)

// Result is what Run has seen. All times are in milliseconds, from the HTTP request on.
type Result struct {
	Calls     int            `json:"calls"`
	Completed int            `json:"completed"`
	Refused   int            `json:"refused"` // 503 or 429
	Failed    int            `json:"failed"`
	Reasons   map[string]int `json:"reasons,omitempty"`

	CallsASecond float64 `json:"calls_a_second"` // completed, from the first request to the last end
	Answer       Spread  `json:"answer_ms"`      // to the answer over HTTP
	First        Spread  `json:"first_step_ms"`  // to the first INVITE
	Second       Spread  `json:"second_step_ms"` // to the REFER, or to the second INVITE
	Reached      Spread  `json:"reached_ms"`     // until the parties talk; of a REFER, to the BYE

	Messages   float64 `json:"messages_a_call"`
	RepeatsIn  int64   `json:"repeats_received"`
	RepeatsOut int64   `json:"repeats_sent"`
	BadAnswers int64   `json:"bad_answers"`    // to a NOTIFY
	Early      int     `json:"early"`          // hung up before the last NOTIFY
	Late       int     `json:"late,omitempty"` // calls that began more than 10 ms after their time
}

// Spread is how some times are spread, in milliseconds.
type Spread struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (r *run) result() *Result {
	out := &Result{Calls: len(r.calls), Reasons: map[string]int{}, RepeatsIn: r.repeatsIn.Load(), BadAnswers: r.badAnswers.Load(), Late: r.late}
	var answer, first, second, reached []float64
	var begin, end time.Time
	for i := range r.calls {
		c := &r.calls[i]
		c.mu.Lock()
		if out.count(c) {
			answer = append(answer, since(c.start, c.answered))
			first = append(first, since(c.start, c.legs[calling].invited))
			second = append(second, since(c.start, c.second))
			reached = append(reached, since(c.start, c.reached))
			if begin.IsZero() || c.start.Before(begin) {
				begin = c.start
			}
			if c.reached.After(end) {
				end = c.reached
			}
		}
		c.mu.Unlock()
	}
	out.Answer, out.First, out.Second, out.Reached = spread(answer), spread(first), spread(second), spread(reached)
	out.RepeatsOut = r.phones.repeatsOut.Load()
	if out.Completed > 0 {
		out.CallsASecond = float64(out.Completed) / end.Sub(begin).Seconds()
		out.Messages = float64(r.phones.received.Load()+r.phones.sent.Load()) / float64(out.Completed)
	}
	return out
}

// count counts a call, and tells whether it was completed.
func (r *Result) count(c *call) bool {
	switch c.outcome {
	case completed:
		r.Completed++
		if c.early {
			r.Early++
		}
		return true
	case refused:
		r.Refused++
	case running, failed:
		r.Failed++
		r.note(c.why)
	}
	return false
}

// note counts a reason; only some are told apart, since each may name its call.
func (r *Result) note(why string) {
	const most = 8
	if _, known := r.Reasons[why]; !known && len(r.Reasons) >= most {
		why = "others"
	}
	r.Reasons[why]++
}

func since(from, to time.Time) float64 { return float64(to.Sub(from)) / float64(time.Millisecond) }

func spread(ms []float64) Spread {
	if len(ms) == 0 {
		return Spread{}
	}
	slices.Sort(ms)
	return Spread{P50: at(ms, 0.5), P90: at(ms, 0.9), P99: at(ms, 0.99), Max: at(ms, 1)}
}

// at is a quantile of what is sorted.
func at(sorted []float64, q float64) float64 {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(i, 0)]
}
