package journal_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"callcontroller/internal/journal"
	"callcontroller/internal/journal/journaltest"
)

// secure waits until all that was appended is safe.
func secure(t *testing.T, j *journal.Journal) {
	t.Helper()
	safe := make(chan struct{})
	j.Secure(func() { close(safe) })
	select {
	case <-safe:
	case <-time.After(time.Minute):
		t.Fatal("it does not become safe")
	}
}

// appendOnly appends entries of a call and waits for nothing.
func appendOnly(t *testing.T, j *journal.Journal, call string, from, to int) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		e := journal.Entry{Call: call, Seq: uint64(seq), Event: "e", Data: []byte(strconv.Itoa(seq)), State: []byte("state")} //nolint:gosec // counts from 1
		if err := j.Append(e, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// has wants the log to have the entries of a call, once and in order, and to know it lives.
func has(t *testing.T, j *journal.Journal, call string, n int) {
	t.Helper()
	_, last, err := j.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range j.Read(t.Context(), 0, journal.Filter{Call: call, Until: last}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Data))
	}
	var want []string
	for seq := range n {
		want = append(want, strconv.Itoa(seq+1))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("of %s the log has %v, want %d entries", call, got, n)
	}
	if live := journaltest.Live(t, j); live[call].Seq != uint64(n) { //nolint:gosec // a small number
		t.Errorf("%s lives with entry %d, want %d", call, live[call].Seq, n)
	}
}

// TestX13Secured: what is safe is there after a crash, though the store has not taken it:
// not once but again, for the one who starts is killed, too.
func TestX13Secured(t *testing.T) {
	t.Parallel()
	s := journaltest.Embedded(t)
	s.Config.Linger = time.Hour // what comes after the first message waits
	j := journaltest.Open(t, s)
	journaltest.Append(t, j, journal.Entry{Call: "a", Seq: 1, Event: "e", Data: []byte("1")})
	for round := range 3 {
		appendOnly(t, j, "a", 3*round+2, 3*round+3)
		secure(t, j)
		appendOnly(t, j, "a", 3*round+4, 3*round+4)
		secure(t, j)
		crashed, log := copyOf(t, s)
		s = crashed
		j = journaltest.Open(t, s)
		has(t, j, "a", 3*round+4)
		for _, line := range log.Lines() {
			if !strings.Contains(line, "the store was not closed") {
				t.Error("the log says", line)
			}
		}
		journaltest.Append(t, j, journal.Entry{Call: strconv.Itoa(round), Seq: 1})
	}
}

// TestX13SecuredWhileAway: what came while the servers were away is safe, and in the log
// when they are back, also when the process has ended by then.
func TestX13SecuredWhileAway(t *testing.T) {
	t.Parallel()
	s := journaltest.External(t)
	s.Config.Dir = t.TempDir()
	j := journaltest.Open(t, s)
	journaltest.Append(t, j, journal.Entry{Call: "a", Seq: 1, Event: "e", Data: []byte("1")})
	s.Stop()
	appendOnly(t, j, "a", 2, 400)
	secure(t, j)
	before := t.TempDir()
	if err := os.CopyFS(before, os.DirFS(s.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Close(canceled); err != nil {
		t.Errorf("Close says %v, though nothing is lost", err)
	}
	s.Start()
	s.Config.Dir = before
	j = journaltest.Open(t, s)
	has(t, j, "a", 400)
	journaltest.Append(t, j, journal.Entry{Call: "a", Seq: 401, Event: "e", Data: []byte("401"), State: []byte("state")})
	journaltest.Close(t, j)
	has(t, journaltest.Open(t, s), "a", 401)
}

// TestX13SecuredNow: many goroutines at once make their entries safe, by themselves or by
// one another, and what all were told is there after a crash.
func TestX13SecuredNow(t *testing.T) {
	t.Parallel()
	s := journaltest.Embedded(t)
	s.Config.Linger = time.Hour
	j := journaltest.Open(t, s)
	const calls, entries = 20, 10
	var placing sync.WaitGroup
	for c := range calls {
		placing.Go(func() {
			for seq := 1; seq <= entries; seq++ {
				appendOnly(t, j, strconv.Itoa(c), seq, seq)
				if !j.SecureNow() {
					secure(t, j)
				}
			}
		})
	}
	placing.Wait()
	if !j.SecureNow() {
		t.Error("what is secure is not secure now")
	}
	crashed, _ := copyOf(t, s)
	j = journaltest.Open(t, crashed)
	for c := range calls {
		has(t, j, strconv.Itoa(c), entries)
	}
}

// TestX16NoRoomAhead: where the files cannot be written, the store is waited for, and the
// log says so once.
func TestX16NoRoomAhead(t *testing.T) {
	t.Parallel()
	s, log := journaltest.Embedded(t), &journaltest.Log{}
	s.Config.Log = log.Logger()
	j := journaltest.Open(t, s)
	j.BreakAhead()
	appendOnly(t, j, "a", 1, 10)
	secure(t, j)
	appendOnly(t, j, "a", 11, 20)
	secure(t, j)
	has(t, j, "a", 20)
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "calls wait for the store") {
		t.Errorf("the log says %q", lines)
	}
}

// TestX16AheadCannotBeOpened: the journal goes without the files.
func TestX16AheadCannotBeOpened(t *testing.T) {
	t.Parallel()
	s, log := journaltest.Embedded(t), &journaltest.Log{}
	s.Config.Log = log.Logger()
	if err := os.Mkdir(filepath.Join(s.Config.Dir, "ahead.1"), 0o700); err != nil {
		t.Fatal(err)
	}
	j := journaltest.Open(t, s)
	appendOnly(t, j, "a", 1, 10)
	secure(t, j)
	has(t, j, "a", 10)
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "calls wait for the store") {
		t.Errorf("the log says %q", lines)
	}
}
