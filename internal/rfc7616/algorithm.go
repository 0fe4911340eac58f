// Package rfc7616 owns what both sides of Digest authentication have in common, SIP's
// client side (RFC 3261 section 22, RFC 8760) and HTTP's server side: the hashes, the
// computation of a response, and how parameters are read and written. It decides
// nothing: who is challenged, and what counts as right, is the matter of its callers.
// It knows no message, socket or clock, never logs, keeps no state and starts no
// goroutine.
package rfc7616

import (
	"crypto/md5" //nolint:gosec // RFC 3261 section 22.4: MD5 is what nearly every SIP server speaks.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"
)

// Hash is a hash function of the registry (RFC 7616 section 6.1).
type Hash uint8

// The hashes.
const (
	MD5 Hash = iota
	SHA256
	SHA512256
)

// String is the token of the hash.
func (h Hash) String() string {
	switch h {
	case MD5:
		return "MD5"
	case SHA256:
		return "SHA-256"
	case SHA512256:
		return "SHA-512-256"
	}
	return "unknown"
}

// Digits is the length of the hash in hexadecimal.
func (h Hash) Digits() int {
	if h == MD5 {
		return 2 * md5.Size
	}
	return 2 * sha256.Size
}

// HA1 is the hash of username:realm:password in lower-case hexadecimal (RFC 7616 section 3.4.2).
func (h Hash) HA1(username, realm, password string) string {
	return string(h.appendHex(nil, appendParts([]byte(username), realm, password)))
}

// appendHex appends the hash of msg in lower-case hexadecimal.
func (h Hash) appendHex(dst, msg []byte) []byte {
	switch h {
	case SHA256:
		sum := sha256.Sum256(msg)
		return hex.AppendEncode(dst, sum[:])
	case SHA512256:
		sum := sha512.Sum512_256(msg)
		return hex.AppendEncode(dst, sum[:])
	case MD5:
		sum := md5.Sum(msg) //nolint:gosec // See the import.
		return hex.AppendEncode(dst, sum[:])
	}
	return dst
}

// Algorithm is a hash, plain or with a session key (RFC 7616 section 3.4.2).
type Algorithm struct {
	Hash    Hash
	Session bool
}

// FindAlgorithm knows an algorithm by its token, in any case. No token means MD5.
func FindAlgorithm(token string) (alg Algorithm, known bool) {
	name := token
	if n := len(token) - len("-sess"); n > 0 && strings.EqualFold(token[n:], "-sess") {
		name, alg.Session = token[:n], true
	}
	switch {
	case token == "", strings.EqualFold(name, "MD5"):
		alg.Hash = MD5
	case strings.EqualFold(name, "SHA-256"):
		alg.Hash = SHA256
	case strings.EqualFold(name, "SHA-512-256"):
		alg.Hash = SHA512256
	default:
		return Algorithm{}, false
	}
	return alg, true
}

// Proof is what goes into one response value. Method and URI are those of the request line, octet for octet.
type Proof struct {
	Algorithm   Algorithm
	Auth        bool   // qop=auth; otherwise as in RFC 2069
	HA1         string // lower-case hexadecimal, by the hash of the algorithm
	Nonce       string
	NC, CNonce  string // with qop only
	Method, URI string
}

// AppendResponse appends the request-digest (RFC 7616 section 3.4.1) in lower-case hexadecimal.
func (p *Proof) AppendResponse(dst []byte) []byte {
	var (
		ha1, ha2 [64]byte
		buffer   [384]byte
		hash     = p.Algorithm.Hash
	)
	secret := append(ha1[:0], p.HA1...)
	if p.Algorithm.Session {
		secret = hash.appendHex(ha1[:0], appendParts(append(buffer[:0], secret...), p.Nonce, p.CNonce))
	}
	request := hash.appendHex(ha2[:0], appendParts(append(buffer[:0], p.Method...), p.URI))
	msg := appendParts(append(buffer[:0], secret...), p.Nonce)
	if p.Auth {
		msg = appendParts(msg, p.NC, p.CNonce, "auth")
	}
	return hash.appendHex(dst, append(append(msg, ':'), request...))
}

// appendParts appends a colon and the part, for each part.
func appendParts(b []byte, parts ...string) []byte {
	for _, s := range parts {
		b = append(b, ':')
		b = append(b, s...)
	}
	return b
}
