package v1_test

import (
	"context"
	"testing"

	"callcontroller/internal/call"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/journal"
)

func openJournal(t *testing.T) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return j
}

// TestX14KeyOfAnEndedProcess: what a process has left is told to be left, and of many that
// ask one takes it; what is finished is the same for all.
func TestX14KeyOfAnEndedProcess(t *testing.T) {
	j := openJournal(t)
	before, now, other := v1.NewJournalKeys(j), v1.NewJournalKeys(j), v1.NewJournalKeys(j)
	request := v1.Digest{1, 2, 3}
	mine, created, err := before.Create(t.Context(), "key", v1.Entry{Request: request, Call: "ONE"})
	if err != nil || !created || mine.Left {
		t.Fatal(mine, created, err)
	}
	if e, created, err := before.Create(t.Context(), "key", v1.Entry{}); err != nil || created || e.Left || e.Answer != nil {
		t.Errorf("under way: %+v %t %v", e, created, err)
	}
	e, created, err := now.Create(t.Context(), "key", v1.Entry{Request: request, Call: "TWO"})
	if err != nil || created || !e.Left || e.Call != call.ID("ONE") || e.Request != request {
		t.Fatalf("left: %+v %t %v", e, created, err)
	}
	taken, ok, err := now.Take(t.Context(), "key", e)
	if err != nil || !ok || taken.Left || taken.Call != "ONE" {
		t.Fatalf("taken: %+v %t %v", taken, ok, err)
	}
	if _, ok, err := other.Take(t.Context(), "key", e); ok || err != nil {
		t.Errorf("taken twice: %t %v", ok, err)
	}
	if err := now.Finish(t.Context(), "key", taken, []byte(`{"id":"ONE"}`)); err != nil {
		t.Fatal(err)
	}
	e, created, err = other.Create(t.Context(), "key", v1.Entry{})
	if err != nil || created || e.Left || string(e.Answer) != `{"id":"ONE"}` {
		t.Errorf("finished: %+v %t %v", e, created, err)
	}
}

// TestJournalKeyReleased: a request that has come to nothing leaves no key.
func TestJournalKeyReleased(t *testing.T) {
	keys := v1.NewJournalKeys(openJournal(t))
	e, _, err := keys.Create(t.Context(), "key", v1.Entry{Call: "ONE"})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Release(t.Context(), "key", e); err != nil {
		t.Fatal(err)
	}
	if _, created, err := keys.Create(t.Context(), "key", v1.Entry{Call: "TWO"}); err != nil || !created {
		t.Errorf("created again: %t %v", created, err)
	}
}
