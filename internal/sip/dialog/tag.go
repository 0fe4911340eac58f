package dialog

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
)

// LocalTag is the tag on our side of a dialog: a type of its own, so that it cannot
// be swapped with the other one. It is a number, for there are many: see String.
type LocalTag uint64

// RemoteTag is the tag on the peer's side of a dialog.
type RemoteTag string

// newLocalTag makes a tag of 64 random bits (RFC 3261 section 19.3 wants 32).
func newLocalTag() LocalTag {
	var b [8]byte
	rand.Read(b[:]) // It never fails: since Go 1.24 it ends the program instead.
	return LocalTag(binary.BigEndian.Uint64(b[:]))
}

// String is the tag as SIP has it: 16 hexadecimal digits, in lower case.
func (t LocalTag) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(t))
	return hex.EncodeToString(b[:])
}

// parseLocalTag reads what String made; ok is false for what it never makes.
func parseLocalTag(text string) (t LocalTag, ok bool) {
	var b [8]byte
	if len(text) != hex.EncodedLen(len(b)) {
		return 0, false
	}
	if _, err := hex.Decode(b[:], []byte(text)); err != nil {
		return 0, false
	}
	t = LocalTag(binary.BigEndian.Uint64(b[:]))
	return t, t.String() == text
}
