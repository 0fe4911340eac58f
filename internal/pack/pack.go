// Package pack writes values one behind the other into bytes, and reads them again, in
// the smallest form that is still quick: what a call needs to go on after a crash is
// stored with each of its steps. The format names nothing: who reads must know what was
// written, and with which version.
package pack

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that bytes are not what was written.
var ErrMalformed = errors.New("malformed: cut off, or written by something else")

// Uint adds a number.
func Uint[T ~uint8 | ~uint16 | ~uint32 | ~uint64](b []byte, v T) []byte {
	return binary.AppendUvarint(b, uint64(v))
}

// Int adds a number that may be negative.
func Int[T ~int | ~int16 | ~int64](b []byte, v T) []byte { return binary.AppendVarint(b, int64(v)) }

// Bools adds up to eight truths in one byte.
func Bools(b []byte, all ...bool) []byte {
	var bits byte
	for i, v := range all {
		if v {
			bits |= 1 << i
		}
	}
	return append(b, bits)
}

// String adds a text.
func String[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Enclose makes what was added to b since it had start bytes a text, as String adds one.
func Enclose(b []byte, start int) []byte {
	var room [binary.MaxVarintLen64]byte
	length := binary.AppendUvarint(room[:0], uint64(len(b)-start))
	b = append(b, length...)
	copy(b[start+len(length):], b[start:])
	copy(b[start:], length)
	return b
}

// Reader reads what was written, in the same order. Once something does not fit, it
// gives zeros, and Err tells.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader makes one that reads b and keeps nothing of it.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err is ErrMalformed when something did not fit.
func (r *Reader) Err() error {
	if r.bad {
		return ErrMalformed
	}
	return nil
}

// Fail makes the Reader one to which something did not fit: its user found a value that
// cannot be.
func (r *Reader) Fail() { r.b, r.bad = nil, true }

// Uint reads a number up to most.
func (r *Reader) Uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Int reads a number that may be negative.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Rest gives what has not been read, and leaves nothing.
func (r *Reader) Rest() []byte {
	rest := r.b
	r.b = nil
	return rest
}

// Bools reads truths into all.
func (r *Reader) Bools(all ...*bool) {
	if len(r.b) == 0 {
		r.Fail()
		return
	}
	for i, v := range all {
		*v = r.b[0]&(1<<i) != 0
	}
	r.b = r.b[1:]
}

// String reads a text.
func (r *Reader) String() string { return string(r.Bytes()) }

// Bytes reads a text that is a part of what is read.
func (r *Reader) Bytes() []byte {
	n := r.Uint(uint64(len(r.b)))
	if r.bad || n > uint64(len(r.b)) {
		r.Fail()
		return nil
	}
	part := r.b[:n:n]
	r.b = r.b[n:]
	return part
}
