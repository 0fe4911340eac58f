package journal_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/journal"
	"callcontroller/internal/journal/journaltest"
)

// calls is how many calls makeLog makes, of four messages each.
const calls = 50

// makeLog fills a journal: every second call has ended. It is more than one file.
func makeLog(t *testing.T, s journaltest.Store) {
	t.Helper()
	j := journaltest.Open(t, s)
	for i := range calls {
		for seq := range 4 {
			e := journal.Entry{Call: "call " + strconv.Itoa(i), Seq: uint64(seq) + 1, Event: "e", Final: seq == 3 && i%2 == 0}
			e.Data = bytes.Repeat([]byte{byte(i), byte(seq)}, 6<<10)
			e.State = []byte("state of " + e.Call)
			journaltest.Append(t, j, e)
		}
	}
	for i := range 10 {
		if _, err := j.Create(t.Context(), "key "+strconv.Itoa(i), []byte("value"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	handled := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	worker := startWorker(ctx, j, func(journal.Entry) { handled <- struct{}{} })
	for waits := true; waits; { // until the store knows the worker
		journaltest.Append(t, j, journal.Entry{Call: "call of the worker", Seq: 1, Event: "e", Final: true})
		select {
		case <-handled:
			waits = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	<-worker
	journaltest.Close(t, j)
}

func startWorker(ctx context.Context, j *journal.Journal, handle func(journal.Entry)) <-chan error {
	ended := make(chan error, 1)
	go func() {
		ended <- j.Worker(ctx, journal.Work{Name: "hook"}, func(_ context.Context, e journal.Entry) error {
			handle(e)
			return nil
		})
	}()
	return ended
}

// found is what can be read of a log.
type found struct {
	entries, gaps, live, keys int
	liveErr                   error
}

// look reads all that a log has, which must be what was written, in order. It must take
// new entries and give them, to workers too.
func look(t *testing.T, s journaltest.Store) (f found) {
	t.Helper()
	j := journaltest.Open(t, s)
	defer journaltest.Close(t, j)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for e, err := range j.Live(ctx) {
		if f.liveErr = err; err == nil {
			f.live++
			genuine(t, &e)
			if string(e.State) != "state of "+e.Call {
				t.Errorf("%s has state %q", e.Call, e.State)
			}
		}
	}
	worked := make(chan struct{}, 1)
	working, stop := context.WithCancel(ctx)
	worker := startWorker(working, j, func(e journal.Entry) {
		if e.Call == "new" {
			worked <- struct{}{}
		}
	})
	journaltest.Append(t, j, journal.Entry{Call: "new", Seq: 1, Event: "new", Final: true})
	var last journal.Position
	for e, err := range j.Read(ctx, 0, journal.Filter{}) {
		if err != nil {
			if f.gaps++; !errors.Is(err, journal.ErrGone) || f.gaps > 2*4*calls {
				t.Fatal(f.gaps, err)
			}
			continue
		}
		if e.Position <= last {
			t.Fatalf("position %d after %d", e.Position, last)
		}
		if last = e.Position; e.Event == "new" {
			break
		}
		f.entries++
		genuine(t, &e)
	}
	select {
	case <-worked:
	case <-ctx.Done():
		t.Error("the worker does not get a new entry")
	}
	stop()
	<-worker
	for i := range 10 {
		if k, err := j.Get(ctx, "key "+strconv.Itoa(i)); err == nil && string(k.Value) == "value" {
			f.keys++
		} else if !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("key %d: %q, %v", i, k.Value, err)
		}
	}
	return f
}

func genuine(t *testing.T, e *journal.Entry) {
	t.Helper()
	if e.Call == "call of the worker" {
		return
	}
	i, err := strconv.Atoi(strings.TrimPrefix(e.Call, "call "))
	if want := bytes.Repeat([]byte{byte(i), byte(e.Seq - 1)}, 6<<10); err != nil || !bytes.Equal(e.Data, want) { //nolint:gosec // as makeLog has it
		t.Fatalf("an entry of %q, %d is not what was written", e.Call, e.Seq)
	}
}

// TestX17Damage damages one file of the store while no journal is open. What is not
// damaged is there, in order, and the damage is one line in the log.
func TestX17Damage(t *testing.T) {
	t.Parallel()
	whole := journaltest.Embedded(t)
	whole.Config.MaxBytes, whole.Config.Linger = 16<<20, time.Microsecond // files of 4 MiB
	makeLog(t, whole)
	all := look(t, first(copyOf(t, whole)))
	if all.entries <= 4*calls || all.live != calls/2 || all.keys != 10 {
		t.Fatalf("found %+v before anything is damaged", all)
	}
	for _, test := range []struct {
		name   string
		file   string // the end of its path
		damage func(b []byte) []byte
		lost   found // at most
	}{
		{"nothing", "log/msgs/1.blk", func(b []byte) []byte { return b }, found{}},
		{"byte in the middle", "log/msgs/1.blk", flip(0.5), found{entries: 1, live: 1}},
		{"many bytes", "log/msgs/1.blk", wipe(0.5), found{entries: 2*calls + 4, live: calls/4 + 1}},
		{"last bytes missing", "log/msgs/1.blk", cut(0.999), found{entries: 6, live: 1}},
		{"half missing", "log/msgs/1.blk", cut(0.5), found{entries: 2*calls + 4, live: calls/4 + 1}},
		{"all missing", "log/msgs/1.blk", cut(0), all},
		{"garbage", "log/msgs/1.blk", wipe(0), all},
		{"index", "log/msgs/index.db", flip(0.5), found{}},
		{"index missing", "log/msgs/index.db", cut(0), found{}},
		{"description", "log/meta.inf", flip(0.5), found{}},
		{"description missing", "log/meta.inf", cut(0), found{}},
		{"its sum", "log/meta.sum", flip(0.5), found{}},
		{"keys", "keys/msgs/1.blk", flip(0.5), found{keys: 6}},
		{"keys missing", "keys/msgs/1.blk", cut(0.7), found{keys: 5}},
		{"description of the keys", "keys/meta.inf", flip(0.5), found{}},
		{"worker", "obs/hook/o.dat", flip(0.5), found{}},
		{"worker missing", "obs/hook/o.dat", cut(0), found{}},
		{"worker cut off", "obs/hook/o.dat", cut(0.5), found{}},
		{"description of the worker", "obs/hook/meta.inf", flip(0.5), found{}},
		{"a word in the description of the worker", "obs/hook/meta.inf", flip(0.01), found{}},
		{"description of the worker missing", "obs/hook/meta.inf", cut(0), found{}},
		{"sum of the worker", "obs/hook/meta.sum", flip(0.5), found{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, log := copyOf(t, whole)
			damage(t, fileOf(t, s.Config.Dir, test.file), test.damage)
			f := look(t, s)
			if f.entries < all.entries-test.lost.entries || f.live < all.live-test.lost.live || f.keys < all.keys-test.lost.keys {
				t.Errorf("found %+v of %+v: more than %+v is lost", f, all, test.lost)
			}
			if lines := log.Lines(); f != all && len(lines) == 0 || len(lines) > 1 || test.name == "nothing" && len(lines) > 0 {
				t.Errorf("found %+v of %+v, and the log says:\n%s", f, all, strings.Join(lines, "\n"))
			}
			again := look(t, s)
			if again.entries < f.entries || again.live < f.live || again.keys < f.keys {
				t.Errorf("found %+v, and the next time %+v", f, again)
			}
		})
	}
}

// TestX17WorkerGoesOn damages the description of a worker, which does not say how far it
// has come: what it was not given yet comes.
func TestX17WorkerGoesOn(t *testing.T) {
	t.Parallel()
	s, log := journaltest.Embedded(t), &journaltest.Log{}
	s.Config.Log = log.Logger()
	makeLog(t, s)
	j := journaltest.Open(t, s)
	journaltest.Append(t, j, journal.Entry{Call: "left", Seq: 1, Event: "e", Final: true})
	journaltest.Close(t, j)
	damage(t, fileOf(t, s.Config.Dir, "obs/hook/meta.inf"), flip(0.01))
	j = journaltest.Open(t, s)
	ctx, stop := context.WithCancel(t.Context())
	worker := startWorker(ctx, j, func(e journal.Entry) {
		if e.Call != "left" {
			t.Errorf("the worker is given an entry of %s again", e.Call)
		}
		stop()
	})
	<-worker
	if lines := log.Lines(); len(lines) != 1 {
		t.Errorf("the log says:\n%s", strings.Join(lines, "\n"))
	}
}

// TestX17AnyDamage does what chance gives to any of the files.
func TestX17AnyDamage(t *testing.T) {
	t.Parallel()
	whole := journaltest.Embedded(t)
	whole.Config.MaxBytes, whole.Config.Linger = 16<<20, time.Microsecond
	makeLog(t, whole)
	names := files(t, whole.Config.Dir)
	for i := range 15 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			s, log := copyOf(t, whole)
			for seed := 2 * i; seed < 2*i+2; seed++ {
				name := rapid.SampledFrom(names).Example(seed)
				where, bit := rapid.Float64Range(0, 0.999).Example(seed), rapid.IntRange(0, 7).Example(seed)
				how := cut(where)
				if rapid.Bool().Example(seed) {
					how = func(b []byte) []byte { b[int(float64(len(b))*where)] ^= 1 << bit; return b }
				}
				t.Logf("bit %d at %g of %s", bit, where, name)
				damage(t, filepath.Join(s.Config.Dir, name), how)
			}
			look(t, s)
			if lines := log.Lines(); len(lines) > 3 {
				t.Errorf("the log says:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

func first(s journaltest.Store, _ *journaltest.Log) journaltest.Store { return s }

// copyOf copies a store, and gives the log of what is wrong with it.
func copyOf(t *testing.T, whole journaltest.Store) (journaltest.Store, *journaltest.Log) {
	t.Helper()
	s, log := journaltest.Embedded(t), &journaltest.Log{}
	dir := s.Config.Dir
	s.Config = whole.Config
	s.Config.Dir, s.Config.Log = filepath.Join(dir, "copy"), log.Logger()
	if err := os.CopyFS(s.Config.Dir, os.DirFS(whole.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	return s, log
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil && info.Size() > 0 {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func fileOf(t *testing.T, dir, end string) string {
	t.Helper()
	names := files(t, dir)
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, end) })
	if i < 0 {
		t.Fatalf("no file %s in %v", end, names)
	}
	return filepath.Join(dir, names[i])
}

func damage(t *testing.T, path string, how func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return // it was damaged before
	}
	if err := os.WriteFile(path, how(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(where float64) func([]byte) []byte {
	return func(b []byte) []byte {
		b[int(float64(len(b))*where)] ^= 0xff
		return b
	}
}

// wipe clears the first half of what comes after where.
func wipe(where float64) func([]byte) []byte {
	return func(b []byte) []byte {
		after := b[int(float64(len(b))*where):]
		clear(after[:len(after)/2])
		return b
	}
}

func cut(where float64) func([]byte) []byte {
	return func(b []byte) []byte { return b[:int(float64(len(b))*where)] }
}
