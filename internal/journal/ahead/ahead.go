// Package ahead owns the two files in which entries of the journal outlive the process
// before they are in the log: a write to a file takes microseconds, a message to the
// store milliseconds. It does not know what an entry is: it carries bytes.
//
// One file is written at a time, from its start on, and when it is full, the other one,
// if the log has all that is in that one by then; else the first one grows. Nothing is
// forced to the disk: what is written outlives a SIGKILL, not a power cut.
//
// A File is for one goroutine at a time.
package ahead

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked says that another process uses the files.
var ErrLocked = errors.New("another process has its journal here")

const (
	full    = 1 << 20 // bytes from which on a file has enough
	largest = 4 << 20 // bytes that a file keeps on the disk for its next turn
)

// File is both files. Use Open.
type File struct {
	files [2]*os.File
	ends  [2]uint64 // At of the first byte behind what is in a file
	now   int       // the one that is written
	pos   int64     // where

	out []byte // what is added and not written
	end uint64 // At of the first byte behind it
}

// Open makes the directory and the files where they are not there, and keeps other
// processes off. An ErrLocked, or what the system says.
func Open(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &File{}
	for i := range f.files {
		var err error
		if f.files[i], err = os.OpenFile(filepath.Join(dir, fmt.Sprintf("ahead.%d", i)), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if err := syscall.Flock(int(f.files[0].Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a file descriptor is small
		return nil, errors.Join(fmt.Errorf("%s: %w: %w", dir, ErrLocked, err), f.Close())
	}
	return f, nil
}

// Close closes the files. What is in them stays.
func (f *File) Close() error {
	var all []error
	for _, file := range f.files {
		if file != nil {
			all = append(all, file.Close())
		}
	}
	return errors.Join(all...)
}

// Clear forgets what is left: the log has it.
func (f *File) Clear() error {
	f.now, f.pos, f.ends, f.out = 0, 0, [2]uint64{}, f.out[:0]
	return errors.Join(f.files[0].Truncate(0), f.files[1].Truncate(0))
}

// Add takes a piece that the next Flush writes. Its body is copied.
func (f *File) Add(p *Piece) {
	f.out = appendPiece(f.out, p)
	f.end = p.end()
}

// Flush writes what was added. The log has all pieces that end at stored or before. After
// an error nothing was added, and the same pieces may be added again.
func (f *File) Flush(stored uint64) error {
	if len(f.out) == 0 {
		return nil
	}
	b := f.out
	f.out = f.out[:0]
	if cap(b) > full {
		f.out = nil
	}
	if err := f.turn(stored); err != nil {
		return err
	}
	if _, err := f.files[f.now].WriteAt(b, f.pos); err != nil {
		return err
	}
	f.pos += int64(len(b))
	f.ends[f.now] = f.end
	return nil
}

// turn goes over to the other file, when this one is full and the other one is not needed.
func (f *File) turn(stored uint64) error {
	other := 1 - f.now
	if f.pos < full || f.ends[other] > stored {
		return nil
	}
	if info, err := f.files[other].Stat(); err != nil || info.Size() > largest {
		if err := errors.Join(err, f.files[other].Truncate(0)); err != nil {
			return err
		}
	}
	f.now, f.pos = other, 0
	return nil
}

// pieces reads what a file has: from its start on, as far as it was written in one turn.
func pieces(file *os.File) ([]Piece, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	if _, err := file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var all []Piece
	for {
		p, rest, ok := cutPiece(b)
		if !ok || len(all) > 0 && !p.follows(&all[len(all)-1]) {
			return all, nil
		}
		all, b = append(all, p), rest
	}
}
