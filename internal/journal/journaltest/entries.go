package journaltest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/journal"
)

// event is the Event of the entries that a test has made by step.
const event = "call.ringing"

// step is an entry of a call.
func step(call string, seq int) journal.Entry {
	return journal.Entry{
		Call: call, Seq: uint64(seq), Event: event, Agent: "anne", //nolint:gosec // counts from 1
		Data:  fmt.Appendf(nil, `{"call":%q,"seq":%d}`, call, seq),
		State: []byte("state of " + call + " after " + strconv.Itoa(seq)),
	}
}

// final is the last entry of a call.
func final(call string, seq int) journal.Entry {
	e := step(call, seq)
	e.Event, e.Final = "call.ended", true
	return e
}

// Append appends entries and waits until all are stored.
func Append(t *testing.T, j *journal.Journal, entries ...journal.Entry) {
	t.Helper()
	await(t, send(t, j, entries...), len(entries))
}

// send appends entries and gives where the outcome of each will come.
func send(t *testing.T, j *journal.Journal, entries ...journal.Entry) <-chan error {
	t.Helper()
	done := make(chan error, len(entries))
	for _, e := range entries {
		if err := j.Append(e, func(_ journal.Position, err error) { done <- err }); err != nil {
			t.Fatalf("append entry %d of %s: %v", e.Seq, e.Call, err)
		}
	}
	return done
}

// await waits for n outcomes, which must be good.
func await(t *testing.T, done <-chan error, n int) {
	t.Helper()
	late := time.After(patience)
	for i := range n {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal("stored:", err)
			}
		case <-late:
			t.Fatalf("%d of %d entries are stored", i, n)
		}
	}
}

// read gives n entries after a position, or fails the test.
func read(t *testing.T, j *journal.Journal, after journal.Position, n int) []journal.Entry {
	t.Helper()
	all := make([]journal.Entry, 0, n)
	if n == 0 {
		return all
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for e, err := range j.Read(ctx, after, journal.Filter{}) {
		if err != nil {
			t.Fatalf("read after %d: %v", after, err)
		}
		if all = append(all, e); len(all) == n {
			return all
		}
	}
	t.Fatalf("read %d entries after %d, want %d", len(all), after, n)
	return nil
}

// theLast is an entry that passes a filter, by which a reader knows that it has all.
func theLast(f journal.Filter) journal.Entry {
	e := journal.Entry{Call: "last", Seq: 1, Event: "last", Agent: f.Agent, Final: true, Data: []byte("last")}
	if f.Call != "" {
		e.Call = f.Call
	}
	if len(f.Events) > 0 {
		e.Event = f.Events[0]
	}
	return e
}

func isLast(e *journal.Entry) bool { return string(e.Data) == "last" }

// through reads up to the entry that is the last.
func through(ctx context.Context, j *journal.Journal, after journal.Position, f journal.Filter) ([]journal.Entry, error) {
	var all []journal.Entry
	for e, err := range j.Read(ctx, after, f) {
		if err != nil {
			return all, err
		}
		if isLast(&e) {
			return all, nil
		}
		all = append(all, e)
	}
	return all, errors.Join(errors.New("the reader ended before the last entry came"), ctx.Err())
}

func readThrough(t *testing.T, j *journal.Journal, after journal.Position, f journal.Filter) []journal.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all, err := through(ctx, j, after, f)
	if err != nil {
		t.Fatalf("read after %d by %+v: %v", after, f, err)
	}
	return all
}

// Live gives what Live gives, by call.
func Live(t *testing.T, j *journal.Journal) map[string]journal.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := make(map[string]journal.Entry)
	for e, err := range j.Live(ctx) {
		if err != nil {
			t.Fatal("live:", err)
		}
		if _, twice := all[e.Call]; twice {
			t.Errorf("live gives %s twice", e.Call)
		}
		all[e.Call] = e
	}
	return all
}

// same tells whether an entry is what was appended, but for State and Position.
func same(got, want *journal.Entry) error {
	switch {
	case got.Call != want.Call || got.Seq != want.Seq || got.Event != want.Event || got.Agent != want.Agent || got.Final != want.Final:
		return fmt.Errorf("%s %d %q %q final=%t, want %s %d %q %q final=%t", got.Call, got.Seq, got.Event, got.Agent, got.Final,
			want.Call, want.Seq, want.Event, want.Agent, want.Final)
	case string(got.Data) != string(want.Data):
		return fmt.Errorf("%s %d has data %q, want %q", got.Call, got.Seq, got.Data, want.Data)
	case !want.Time.IsZero() && !got.Time.Equal(want.Time), got.Time.IsZero():
		return fmt.Errorf("%s %d is of %v, want %v", got.Call, got.Seq, got.Time, want.Time)
	}
	return nil
}

// eventually asks until it is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-late:
			t.Fatal("it never comes that", what)
		}
	}
}
