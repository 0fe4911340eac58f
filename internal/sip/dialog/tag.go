package dialog

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"callcontroller/internal/sip"
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

// Name is what an INVITE of ours, and the dialog that it makes, is known by.
type Name struct {
	SIPCallID string
	Tag       LocalTag
}

// NewName makes one that nobody can guess.
func NewName() Name { return Name{sip.NewCallID(), newLocalTag()} }

// NameOf makes the name that belongs to a secret, always the same, of which it tells
// nothing. It is as hard to guess as the secret.
func NameOf(secret string) Name {
	sum := sha256.Sum256([]byte(secret))
	return Name{hex.EncodeToString(sum[:16]), LocalTag(binary.BigEndian.Uint64(sum[16:]))}
}

// branch is that of the INVITE with a CSeq number, the same whenever it is asked for: a
// process that comes after this one can cancel it.
func (t LocalTag) branch(seq uint32) string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:], uint64(t))
	binary.BigEndian.PutUint32(b[8:], seq)
	sum := sha256.Sum256(b[:])
	return sip.MagicCookie + hex.EncodeToString(sum[:10])
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
