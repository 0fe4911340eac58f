package events_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"callcontroller/api"
)

func now() time.Time { return time.Now().UTC() }

// append20 appends the events of four calls, and tells them as a stream does.
func append20(t *testing.T, l *lab) (told []string) {
	t.Helper()
	for i := range 20 {
		id, kind := fmt.Sprint("call", i%4), api.LegRinging
		switch {
		case i < 4:
			kind = api.CallCreated
		case i >= 16:
			kind = api.CallEnded
		case i == 8:
			kind = "" // for recovery only
		}
		l.add(t, id, "201", kind)
		if kind != "" {
			told = append(told, fmt.Sprint(id, " ", i/4+1, " ", kind))
		}
	}
	return told
}

// TestResume: wherever a stream breaks off, it goes on behind the last event, also when
// the server was stopped and started meanwhile.
func TestResume(t *testing.T) {
	l := newLab(t, nil)
	want := append20(t, l)
	for cut := range len(want) + 1 {
		for _, restart := range []bool{false, cut%5 == 0} {
			f := l.follow(t, "admin", "/v1/events?after=0")
			var got []string
			for range cut {
				got = append(got, f.event(t))
			}
			f.close()
			if restart {
				l.stop(t)
				l.start(t)
			}
			f = l.follow(t, "admin", "/v1/events?after=0", "Last-Event-ID: "+f.last)
			for range len(want) - cut {
				got = append(got, f.event(t))
			}
			f.close()
			if !slices.Equal(got, want) {
				t.Fatalf("cut at %d, restart %t: %q, want %q", cut, restart, got, want)
			}
		}
	}
}

// TestNew: without a position a stream has what comes from then on, and the place where it
// began is known before anything comes.
func TestNew(t *testing.T) {
	l := newLab(t, nil)
	l.add(t, "a", "201", api.CallCreated)
	f := l.follow(t, "admin", "/v1/events")
	began := f.last
	f.close()
	l.add(t, "a", "201", api.LegRinging)
	for _, path := range []string{"/v1/events?after=" + began, "/v1/events?after=0&type=" + api.LegRinging} {
		if got := l.follow(t, "admin", path).event(t); got != "a 2 call.leg.ringing" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestCallStream: it has the call from its first event to its last, then ends; who comes
// back after that is sent away for good.
func TestCallStream(t *testing.T) {
	l := newLab(t, nil)
	l.add(t, "other", "201", api.CallCreated)
	l.add(t, "a", "201", api.CallCreated)
	f := l.follow(t, "201", "/v1/calls/a/events")
	ringing := l.follow(t, "201", "/v1/calls/a/events?type="+api.LegRinging)
	first := f.event(t)
	l.add(t, "a", "201", api.LegRinging)
	l.add(t, "other", "201", api.CallEnded)
	l.add(t, "a", "201", api.LegAnswered)
	l.add(t, "a", "201", api.CallEnded)
	l.add(t, "b", "201", api.CallCreated)
	want := []string{"a 1 call.created", "a 2 call.leg.ringing", "a 3 call.leg.answered", "a 4 call.ended"}
	if got := append([]string{first}, f.rest(t)...); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := ringing.rest(t); !slices.Equal(got, want[1:2]) {
		t.Errorf("of one type: %q", got)
	}
	for _, query := range []string{"?after=" + f.last, "?after=99999999999", "?type=call.leg.ringing&after=" + ringing.last} {
		if res := l.get(t, "201", "/v1/calls/a/events"+query); res.status != http.StatusNoContent {
			t.Errorf("%s, back after the end: %d", query, res.status)
		}
	}
	for query, n := range map[string]int{"": 0, "?after=0": 0, "?after=" + ringing.last: 2} {
		if got := l.follow(t, "201", "/v1/calls/a/events"+query).rest(t); !slices.Equal(got, want[n:]) {
			t.Errorf("%s after the end: %q", query, got)
		}
	}
	if got := l.follow(t, "201", "/v1/calls/a/events?type=call.ended&after="+ringing.last).rest(t); !slices.Equal(got, want[3:]) {
		t.Errorf("the end that was missed: %q", got)
	}
}

// TestGap: what is not kept any more is told, and it goes on behind.
func TestGap(t *testing.T) {
	l := newLab(t, nil)
	l.add(t, "a", "201", api.CallCreated)
	f := l.follow(t, "admin", "/v1/events?after=99999999999") // of a log that was there before
	if got := f.event(t); got != `gap {"after":"99999999999","first":"1023"}` {
		t.Errorf("%s", got)
	}
	if got := f.event(t); got != "a 1 call.created" {
		t.Errorf("%s", got)
	}
}
