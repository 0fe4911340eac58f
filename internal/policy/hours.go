package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is a part of each week: "Mon-Fri 07:00-20:00", "Sat 08:00-12:00", or every day
// "22:00-06:00", which goes on in the morning of the next day. It ends before its
// second time, 24:00 is the end of the day.
type Window struct {
	text       string
	days       [7]bool // on which it begins, Sunday first as in package time
	begin, end int     // minutes of the day
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseWindow reads a window.
func ParseWindow(text string) (Window, error) {
	w := Window{text: text}
	fields := strings.Fields(strings.ToLower(text))
	if len(fields) == 1 {
		fields = []string{"sun-sat", fields[0]}
	}
	if len(fields) != 2 {
		return Window{}, errWindow
	}
	if !w.parseDays(fields[0]) {
		return Window{}, errWindow
	}
	from, to, ok := strings.Cut(fields[1], "-")
	var err, err2 error
	w.begin, err = minuteOf(from)
	w.end, err2 = minuteOf(to)
	if !ok || err != nil || err2 != nil || w.begin == w.end || w.begin == dayLong {
		return Window{}, errWindow
	}
	return w, nil
}

const dayLong = 24 * 60

var errWindow = errors.New(`must be days and times, such as "Mon-Fri 07:00-20:00", "Sat 08:00-12:00" or "22:00-06:00"`)

func (w Window) String() string { return w.text }

func (w *Window) parseDays(text string) bool {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, last := slices.Index(days, from), slices.Index(days, to)
	if first < 0 || last < 0 {
		return false
	}
	for d := first; ; d = (d + 1) % len(days) {
		w.days[d] = true
		if d == last {
			return true
		}
	}
}

func minuteOf(text string) (int, error) {
	var h, m int
	if n, err := fmt.Sscanf(text, "%2d:%2d", &h, &m); err != nil || n != 2 || len(text) != len("07:00") || h < 0 || m < 0 || m > 59 || h*60+m > dayLong {
		return 0, errWindow
	}
	return h*60 + m, nil
}

// holds tells whether a moment, in the time zone of the policy, is in the window.
func (w *Window) holds(t time.Time) bool {
	minute, day := t.Hour()*60+t.Minute(), int(t.Weekday())
	if w.begin < w.end {
		return w.days[day] && w.begin <= minute && minute < w.end
	}
	yesterday := (day + 6) % 7
	return w.days[day] && minute >= w.begin || w.days[yesterday] && minute < w.end
}

// next is when the window begins the next time behind t.
func (w *Window) next(t time.Time) time.Time {
	for i := range 8 {
		begin := time.Date(t.Year(), t.Month(), t.Day()+i, w.begin/60, w.begin%60, 0, 0, t.Location())
		if w.days[begin.Weekday()] && begin.After(t) {
			return begin
		}
	}
	return t.AddDate(0, 0, 7) // It began a week ago, to the minute.
}
