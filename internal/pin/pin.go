// Package pin owns the forms in which a PIN is kept: the HA1 of Digest, and argon2id
// in PHC form. It makes them and compares with them. It reads no file, knows no user
// and decides nothing about who may log in; how many of its costly comparisons run at
// once is the matter of its callers. It keeps no state and starts no goroutine.
package pin

import (
	"encoding/hex"

	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// HA1s gives the hashes of name:realm:PIN, SHA-256 first, then MD5, with which a user
// can log in by Digest and by Basic.
func HA1s(name, realm string, pin secret.Text) []secret.Text {
	return []secret.Text{HA1(rfc7616.SHA256, name, realm, pin), HA1(rfc7616.MD5, name, realm, pin)}
}

// HA1 gives one of them, in lower-case hexadecimal.
func HA1(hash rfc7616.Hash, name, realm string, pin secret.Text) secret.Text {
	return secret.New(hash.HA1(name, realm, pin.Reveal()))
}

// FindHA1 gives the one of a list that was made by the hash, or the empty text. HashOf
// knows them all.
func FindHA1(list []secret.Text, hash rfc7616.Hash) secret.Text {
	for _, ha1 := range list {
		if len(ha1.Reveal()) == hash.Digits() {
			return ha1
		}
	}
	return secret.Text{}
}

// HashOf tells by which hash an HA1 was made: 32 hexadecimal digits are MD5, 64 are
// SHA-256. It tells false for any other text.
func HashOf(ha1 secret.Text) (rfc7616.Hash, bool) {
	b, err := hex.DecodeString(ha1.Reveal())
	for _, hash := range []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5} {
		if err == nil && 2*len(b) == hash.Digits() {
			return hash, true
		}
	}
	return 0, false
}
