package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Entry is one step of one call.
type Entry struct {
	// Call names the call. Its entries are stored, and read, in the order in which they
	// were appended.
	Call string
	// Seq counts the entries of the call: 1, 2, 3. The entry with 1 opens the call, and is
	// refused earlier than others. An entry that Append refuses has no place in the log:
	// the next one that is taken has its number.
	Seq uint64
	// Event says what has happened. An entry without one is for recovery only: Read and
	// Worker pass over it, Live gives it.
	Event string
	Agent string
	// Final says that the call is over: nobody asks for its state any more.
	Final bool
	// Time is when it happened. Append sets it when it is zero.
	Time time.Time
	// Data is for readers, as JSON.
	Data []byte
	// State is what whoever runs calls needs to go on after a crash. Only Live gives it;
	// it is not stored with a final entry.
	State []byte
	// Position is the entry's place in the log. It is set on what is read.
	Position Position
}

// Position is a place in the log of all calls: an entry has a greater one than all
// entries before it. Positions have gaps. Zero is before everything; all are below
// 2^53 for longer than any disk lasts, so that a browser can count with them.
//
// It is the sequence number of the message in the stream, and the entry's index in the
// message: see batch.
type Position uint64

const (
	indexBits = 10
	lastIndex = 1<<indexBits - 1 // no message has an entry with it: it means "all of it"
)

func position(message uint64, index int) Position {
	return Position(message<<indexBits | uint64(index)) //nolint:gosec // an index is below lastIndex
}

func (p Position) message() uint64 { return uint64(p) >> indexBits }
func (p Position) index() int      { return int(p & lastIndex) }

// Filter chooses entries. What is empty lets everything through, but for entries without
// an Event.
type Filter struct {
	Call   string
	Agent  string
	Events []string
	// Until is the last position that is read, as Bounds gives it: Read ends there, instead
	// of waiting for what comes.
	Until Position
}

// takes tells whether a reader gets an entry. A copy it has had before, see keep.
func (f *Filter) takes(r *record) bool {
	if len(r.event) == 0 || r.flags&flagCopy != 0 {
		return false
	}
	if f.Call != "" && f.Call != string(r.call) || f.Agent != "" && f.Agent != string(r.agent) {
		return false
	}
	return len(f.Events) == 0 || slices.ContainsFunc(f.Events, func(e string) bool { return e == string(r.event) })
}

// What may go wrong. All are compared with errors.Is.
var (
	// ErrDown says that the store cannot be reached or cannot write.
	ErrDown = errors.New("the journal's store is down")
	// ErrFull says that the store has no room on its disk. It is an ErrDown, too.
	ErrFull = fmt.Errorf("%w: its disk is full", ErrDown)
	// ErrBehind says that the store takes entries more slowly than they come.
	ErrBehind = errors.New("the journal's store is behind")
	// ErrTooLarge says that an entry is larger than MaxEntry.
	ErrTooLarge = fmt.Errorf("a journal entry is larger than %d bytes", MaxEntry)
	// ErrClosed says that the journal is closed, or is about to.
	ErrClosed = errors.New("the journal is closed")
	// ErrGone says that entries which were asked for are no longer kept.
	ErrGone = errors.New("journal entries are gone")
	// ErrStop is what the handler of a Worker returns to have no entry ever again.
	ErrStop = errors.New("the worker has stopped for good")
	// ErrExists says that there is such a key.
	ErrExists = errors.New("the key exists")
	// ErrNotFound says that there is no such key, or that its time is over.
	ErrNotFound = errors.New("no such key")
	// ErrConflict says that the key has changed since it was read.
	ErrConflict = errors.New("the key has changed")
)

// GoneError tells a reader what it can no longer have: what comes after After and before
// First. It is an ErrGone.
type GoneError struct {
	After, First Position
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("%v: those after position %d and before %d are not kept", ErrGone, e.After, e.First)
}

// Is makes it an ErrGone.
func (e *GoneError) Is(target error) bool { return target == ErrGone }
