package audit_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/audit"
)

func open(t *testing.T) (l *audit.Log, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "new", "audit.jsonl")
	l, err := audit.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, path
}

// lines reads the file: each line is one JSON object.
func lines(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, one)
	}
	return all
}

func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, path := open(t)
		l.Record(audit.Entry{Event: audit.CallPlaced, User: "201", Source: netip.MustParseAddr("192.0.2.7"), Agent: "201", Calling: "201", Called: "202", Method: "refer", Call: "C1"})
		want := []map[string]any{{
			"time": "2000-01-01T00:00:00.000Z", "event": "call.placed", "user": "201", "source": "192.0.2.7", "agent": "201",
			"calling": "201", "called": "202", "method": "refer", "call": "C1",
		}}
		if diff := cmp.Diff(want, lines(t, path)); diff != "" {
			t.Error(diff)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	})
}

// TestZ21OneLineAnEvent: nothing that somebody puts into a field makes a line of its own
// or speaks to the terminal of who reads it.
func TestZ21OneLineAnEvent(t *testing.T) {
	l, path := open(t)
	const evil = "201\r\n{\"event\":\"call.placed\"}\n\x1b[2J\u2028\xff\x00"
	l.Record(audit.Entry{Event: audit.CallRefused, User: evil, Agent: evil, Calling: evil, Called: evil, Target: evil, Method: evil, Reason: evil})
	got := lines(t, path)
	if len(got) != 1 || got[0]["event"] != "call.refused" {
		t.Errorf("%d lines: %v", len(got), got)
	}
	text, _ := os.ReadFile(path)
	if bytes.ContainsAny(text[:len(text)-1], "\r\n\x1b\x00") {
		t.Errorf("control characters in %q", text)
	}
}

func TestReopenAfterRotation(t *testing.T) {
	l, path := open(t)
	l.Record(audit.Entry{Event: audit.CallPlaced, Call: "1"})
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Record(audit.Entry{Event: audit.CallPlaced, Call: "2"})
	if a, b := lines(t, path+".1"), lines(t, path); len(a) != 1 || len(b) != 1 || b[0]["call"] != "2" {
		t.Errorf("%v, %v", a, b)
	}
}

// TestZ10GuessesDoNotFillTheDisk: of many refused log-ins some have a line, which tells
// how many have none.
func TestZ10GuessesDoNotFillTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, path := open(t)
		for range 1000 {
			l.Record(audit.Entry{Event: audit.LoginRefused, User: "201"})
		}
		time.Sleep(time.Second)
		l.Record(audit.Entry{Event: audit.LoginRefused, User: "201"})
		l.Record(audit.Entry{Event: audit.CallPlaced, Call: "a call is never passed over"})
		got := lines(t, path)
		if len(got) != 22 || got[20]["more"] != 980.0 {
			t.Errorf("%d lines, the last two %v", len(got), got[len(got)-2:])
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	l, path := open(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { l.Record(audit.Entry{Event: audit.CallPlaced, Called: strings.Repeat("2", 100)}) })
	}
	wg.Wait()
	if n := len(lines(t, path)); n != 50 {
		t.Errorf("%d lines", n)
	}
}

// A record that cannot be written is told once, and stops nobody.
func TestTroubleIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	l, err := audit.Open(filepath.Join(t.TempDir(), "a"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.Record(audit.Entry{Event: audit.CallPlaced})
	}
	if n := strings.Count(log.String(), "audit file cannot be written"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	if _, err := audit.Open(filepath.Join(t.TempDir(), "\x00"), slog.Default()); err == nil {
		t.Error("a file that cannot be opened is no error")
	}
	var none *audit.Log
	none.Record(audit.Entry{})
	if none.Reopen() != nil || none.Close() != nil {
		t.Error("a log that is not kept has errors")
	}
}

func BenchmarkRecord(b *testing.B) {
	l, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Record(audit.Entry{Event: audit.CallPlaced, User: "201", Source: netip.MustParseAddr("192.0.2.7"), Agent: "201", Calling: "201", Called: "202", Method: "refer", Call: "C1"})
	}
}
