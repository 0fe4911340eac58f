package pin

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"callcontroller/internal/secret"
)

// What a hash may ask for, so that a users file cannot stop the server.
const (
	maxMemory  = 256 << 10 // KiB
	maxPasses  = 16
	maxThreads = 16
	maxWork    = 1 << 20 // memory times passes, in KiB: about a second
)

// Hash is an argon2id hash of a PIN (RFC 9106).
type Hash struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	key     []byte
}

// NewHash hashes a PIN with a salt of its own. The cost is the least that the OWASP
// Password Storage Cheat Sheet asks for: 19 MiB, two passes, one thread, 20 to 80 ms.
func NewHash(pin secret.Text) Hash {
	h := Hash{memory: 19 << 10, passes: 2, threads: 1, salt: make([]byte, 16), key: make([]byte, 32)}
	rand.Read(h.salt) // It never fails: crypto/rand ends the program instead.
	h.key = h.of(pin)
	return h
}

// ParseHash reads the PHC form: $argon2id$v=19$m=MEMORY,t=PASSES,p=THREADS$SALT$HASH.
// The error says which part breaks which rule, and repeats nothing of the text.
func ParseHash(text secret.Text) (Hash, error) {
	parts := strings.Split(text.Reveal(), "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return Hash{}, errors.New("must have the form $argon2id$v=19$m=..,t=..,p=..$salt$hash")
	}
	h, err := parseCost(parts[3])
	if err != nil {
		return Hash{}, err
	}
	if h.salt, err = decode(parts[4], 8); err != nil {
		return Hash{}, fmt.Errorf("has a salt that %w", err)
	}
	if h.key, err = decode(parts[5], 16); err != nil {
		return Hash{}, fmt.Errorf("has a hash that %w", err)
	}
	return h, nil
}

func parseCost(text string) (Hash, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return Hash{}, errors.New("must have m=..,t=..,p=.. and nothing else as its third part")
	}
	var n [3]uint32
	for i, limit := range []struct {
		name string
		most uint64
	}{{"m=", maxMemory}, {"t=", maxPasses}, {"p=", maxThreads}} {
		digits, ok := strings.CutPrefix(fields[i], limit.name)
		v, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || v == 0 || v > limit.most {
			return Hash{}, fmt.Errorf("must have %s and a number from 1 to %d", limit.name, limit.most)
		}
		n[i] = uint32(v)
	}
	h := Hash{memory: n[0], passes: n[1], threads: uint8(n[2])}
	switch {
	case h.memory < 8*n[2]:
		return Hash{}, errors.New("must have an m that is at least eight times p (RFC 9106 section 3.1)")
	case h.work() > maxWork:
		return Hash{}, fmt.Errorf("asks for too much work: m times t may be %d at most", maxWork)
	}
	return h, nil
}

// decode reads base64 without padding, as PHC has it.
func decode(text string, least int) ([]byte, error) {
	const most = 64
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64 without padding")
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("is not of %d to %d bytes", least, most)
	}
	return b, nil
}

// Text is the PHC form.
func (h Hash) Text() secret.Text {
	return secret.New(fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.memory, h.passes, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key)))
}

// Matches hashes a PIN and compares, in a time that does not depend on the PIN.
func (h Hash) Matches(pin secret.Text) bool {
	return subtle.ConstantTimeCompare(h.of(pin), h.key) == 1
}

func (h Hash) of(pin secret.Text) []byte {
	return argon2.IDKey([]byte(pin.Reveal()), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
}

func (h Hash) work() uint64 { return uint64(h.memory) * uint64(h.passes) }

// Compare orders hashes by what a comparison costs: 0 when it is the same.
func (h Hash) Compare(other Hash) int {
	return cmp.Or(cmp.Compare(h.work(), other.work()), cmp.Compare(other.threads, h.threads))
}
