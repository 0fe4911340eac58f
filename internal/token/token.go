// Package token owns bearer tokens (RFC 6750): their form, what is known of each, and the
// file in which that is kept. Of a token itself there is only the SHA-256. The package
// does not decide whether a request may pass, and knows neither users nor HTTP.
//
// Store reads the file for a server, and again when it has changed; Create and Revoke
// change it, from any process. The package starts no goroutine.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"callcontroller/internal/secret"
)

// Token is what is known of one. Its JSON form is that of the file, without the hash.
type Token struct {
	ID      string    `json:"id"`
	Agent   string    `json:"agent,omitempty"` // name of the user whose rights it has; "" for one with the scope Admin only
	Scopes  Scope     `json:"scopes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero for never
	Note    string    `json:"note,omitempty"`   // for people
}

// Expired tells whether its time is over.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// Prefix begins every token, so that programs which look for secrets in texts know it.
const Prefix = "cct_"

// The lengths of what stands behind the prefix, in characters.
const (
	randomLength   = 32 // of 5 bits each
	checksumLength = 7  // of a CRC-32
)

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// newText makes a token: the prefix, 160 random bits in base32, and a checksum.
func newText() secret.Text {
	var random [randomLength * 5 / 8]byte
	_, _ = rand.Read(random[:]) // It never fails.
	text := Prefix + encoding.EncodeToString(random[:])
	return secret.New(text + checksum(text))
}

// newID makes the name by which people speak of a token. It has nothing to do with it.
func newID() string {
	var random [5]byte
	_, _ = rand.Read(random[:]) // As above.
	return encoding.EncodeToString(random[:])
}

func checksum(text string) string {
	return encoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
}

// CheckForm tells what is wrong with a text that ought to be a token, whether or not there
// is one: nil, or an error that does not repeat it. It is for people who type and paste; a
// server needs none of it, as no text in another form has a hash in the file.
func CheckForm(text secret.Text) error {
	token := text.Reveal()
	const length = len(Prefix) + randomLength + checksumLength
	switch {
	case !strings.HasPrefix(token, Prefix):
		return errors.New("it is no token: one begins with " + Prefix)
	case len(token) != length:
		return fmt.Errorf("it is no token: it has %d characters, and a token has %d", len(token), length)
	case strings.Trim(token[len(Prefix):], alphabet) != "":
		return errors.New("it is mistyped: behind " + Prefix + " stand lower-case letters and digits from 2 to 7")
	case checksum(token[:length-checksumLength]) != token[length-checksumLength:]:
		return errors.New("it is mistyped: its checksum, which is the end of it, is not right")
	}
	return nil
}

// Hash is by what a token is found.
//
// It is SHA-256 and not one of the slow hashes that PINs need. Those make it dear to go
// through all PINs that people choose; nobody goes through 2^160 tokens, however cheap
// one is. Nor has the look-up to take the same time for all: a guess is compared by its
// hash, which who guesses cannot steer towards a stored one bit by bit.
type Hash [sha256.Size]byte

// HashOf gives the hash of any text.
func HashOf(text secret.Text) Hash { return sha256.Sum256([]byte(text.Reveal())) }
