package ahead

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// epoch is a process that writes batches into a log, and ahead of it. The bytes of its
// entries count on, so that a gap would be seen.
type epoch struct {
	t        *rapid.T
	file     *File
	id, base uint64

	batches []*batch // not in the log, the oldest first
	number  uint64
	total   uint64 // bytes that ever came
	written uint64
	stored  uint64
	end     End
}

type batch struct {
	number, before, start uint64
	size                  uint64
}

// body gives the bytes from one to another: the n-th eight bytes are n.
func body(from, to uint64) (b []byte) {
	for ; from < to; from += 8 {
		b = binary.LittleEndian.AppendUint64(b, from)
	}
	return b
}

func (e *epoch) add(rooms uint64, opens bool) {
	if opens || len(e.batches) == 0 {
		before := e.number
		e.number += 1 + rapid.Uint64Range(0, 2).Draw(e.t, "batches without entries")
		e.batches = append(e.batches, &batch{number: e.number, before: before, start: e.total})
	}
	e.batches[len(e.batches)-1].size += 8 * rooms
	e.total += 8 * rooms
}

func (e *epoch) flush() {
	for _, b := range e.batches {
		if b.start+b.size <= e.written {
			continue
		}
		from := max(e.written, b.start)
		e.file.Add(&Piece{
			Epoch: e.id, Base: e.base, Batch: b.number, Before: b.before,
			At: from, Offset: from - b.start, Body: body(from, b.start+b.size),
		})
	}
	if err := e.file.Flush(e.stored); err != nil {
		e.t.Fatal(err)
	}
	e.written = e.total
}

// store has the oldest batch come into the log.
func (e *epoch) store() {
	if len(e.batches) == 0 {
		return
	}
	b := e.batches[0]
	e.batches = e.batches[1:]
	e.stored = b.start + b.size
	e.end = End{Message: e.end.Message + 1, Epoch: e.id, Batch: b.number}
}

// live does what chance gives, until the process is killed.
func (e *epoch) live() {
	rooms := rapid.OneOf(rapid.Uint64Range(1, 100), rapid.Uint64Range(1, 20000))
	for range rapid.IntRange(1, 60).Draw(e.t, "steps") {
		switch rapid.IntRange(0, 4).Draw(e.t, "step") {
		case 0, 1:
			e.add(rooms.Draw(e.t, "size"), rapid.Bool().Draw(e.t, "opens a batch"))
		case 2, 3:
			e.flush()
		case 4:
			e.store()
		}
	}
}

// left is what the next process finds: it must be what comes behind the end of the log,
// without a gap.
func (e *epoch) left(dir string) (n uint64, lost int) {
	_ = e.file.Close()
	f, err := Open(dir)
	if err != nil {
		e.t.Fatal(err)
	}
	e.file = f
	left, lost, err := f.Left(e.end)
	if err != nil {
		e.t.Fatal(err)
	}
	at := e.stored
	for i, b := range left {
		want := e.batches[i]
		if b.Epoch != e.id || b.Number != want.number || at != want.start || !bytes.Equal(b.Body, body(at, at+uint64(len(b.Body)))) {
			e.t.Fatalf("batch %d of epoch %d has %d bytes from %d on, want %+v", b.Number, b.Epoch, len(b.Body), at, want)
		}
		at += uint64(len(b.Body))
	}
	return at - e.stored, lost
}

func world(t *rapid.T, dir string) *epoch {
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	base := rapid.Uint64Range(0, 3).Draw(t, "messages of other epochs")
	e := &epoch{t: t, file: f, id: 7, base: base, end: End{Message: base}}
	if base > 0 {
		e.end.Epoch, e.end.Batch = 6, 1000
	}
	return e
}

// TestX13Ahead: what was written is found by the next process, unless the log has it.
func TestX13Ahead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		e := world(rt, dir)
		defer func() { _ = e.file.Close() }()
		e.live()
		n, lost := e.left(dir)
		if want := max(e.written, e.stored) - e.stored; n != want || lost > 0 {
			rt.Fatalf("%d bytes are left, and %d are lost, want %d", n, lost, want)
		}
		if err := e.file.Clear(); err != nil {
			rt.Fatal(err)
		}
		if left, lost, err := e.file.Left(e.end); err != nil || len(left)+lost > 0 {
			rt.Fatalf("after Clear %d batches are left, %d bytes are lost, %v", len(left), lost, err)
		}
	})
}

// TestX17Ahead: of files with damage, what is given is without a gap. See epoch.left.
func TestX17Ahead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		e := world(rt, dir)
		defer func() { _ = e.file.Close() }()
		e.live()
		damage(rt, filepath.Join(dir, rapid.SampledFrom([]string{"ahead.0", "ahead.1"}).Draw(rt, "file")))
		e.left(dir)
	})
}

func damage(t *rapid.T, path string) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return // nothing has been written
	}
	at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
	if rapid.Bool().Draw(t, "cut") {
		b = b[:at]
	} else {
		b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOfAnotherLog: files that were left when the log had not come so far, or had come
// farther by another way, are lost, and that is told.
func TestOfAnotherLog(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Add(&Piece{Epoch: 7, Base: 3, Batch: 5, Body: body(0, 80)})
	if err := f.Flush(0); err != nil {
		t.Fatal(err)
	}
	for _, end := range []End{{}, {Message: 2, Epoch: 6, Batch: 9}, {Message: 4, Epoch: 8, Batch: 1}} {
		if left, lost, err := f.Left(end); err != nil || len(left) > 0 || lost != 80 {
			t.Errorf("in a log that ends at %+v, %d batches are left and %d bytes lost, %v", end, len(left), lost, err)
		}
	}
	if left, lost, err := f.Left(End{Message: 3, Epoch: 6, Batch: 9}); err != nil || len(left) != 1 || lost != 0 {
		t.Errorf("in its own log, %d batches are left and %d bytes lost, %v", len(left), lost, err)
	}
}

// TestLocked: a second process is kept off.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open gives %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func FuzzPiece(f *testing.F) {
	f.Add(appendPiece(nil, &Piece{Epoch: 1, Base: 2, Batch: 3, Before: 4, At: 5, Offset: 6, Body: []byte("entries")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, rest, ok := cutPiece(b)
		if ok && !bytes.Equal(append(appendPiece(nil, &p), rest...), b) {
			t.Errorf("%+v is not what was read", p)
		}
	})
}
