package digest

import (
	"crypto/md5" //nolint:gosec // RFC 3261 section 22.4: MD5 is what nearly every SIP server speaks.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"
)

type hashName uint8

const (
	hashMD5 hashName = iota
	hashSHA256
	hashSHA512256
)

// algorithm is a hash, plain or with a session key (RFC 7616 section 3.4.2).
type algorithm struct {
	hash    hashName
	session bool
}

// findAlgorithm knows an algorithm by its token, in any case. No token means MD5.
func findAlgorithm(token string) (alg algorithm, known bool) {
	name := token
	if n := len(token) - len("-sess"); n > 0 && strings.EqualFold(token[n:], "-sess") {
		name, alg.session = token[:n], true
	}
	switch {
	case token == "", strings.EqualFold(name, "MD5"):
		alg.hash = hashMD5
	case strings.EqualFold(name, "SHA-256"):
		alg.hash = hashSHA256
	case strings.EqualFold(name, "SHA-512-256"):
		alg.hash = hashSHA512256
	default:
		return algorithm{}, false
	}
	return alg, true
}

// digits is the length of the hash in hexadecimal.
func (h hashName) digits() int {
	if h == hashMD5 {
		return 2 * md5.Size
	}
	return 2 * sha256.Size
}

// appendHex appends the hash of msg in lower-case hexadecimal.
func (h hashName) appendHex(dst, msg []byte) []byte {
	switch h {
	case hashSHA256:
		sum := sha256.Sum256(msg)
		return hex.AppendEncode(dst, sum[:])
	case hashSHA512256:
		sum := sha512.Sum512_256(msg)
		return hex.AppendEncode(dst, sum[:])
	case hashMD5:
		sum := md5.Sum(msg) //nolint:gosec // See the import.
		return hex.AppendEncode(dst, sum[:])
	}
	return dst
}

// canAnswer tells whether the credentials have what an algorithm needs: a password does for all, an HA1 for its own hash only.
func (c Credentials) canAnswer(alg algorithm) bool {
	return c.HA1.IsEmpty() || alg.hash != hashSHA512256 && len(c.HA1.Reveal()) == alg.hash.digits()
}

// proof is what goes into one response value. Method and uri are those of the request line, octet for octet.
type proof struct {
	alg           algorithm
	auth          bool // qop=auth; otherwise as in RFC 2069
	realm, nonce  string
	nc, cnonce    string
	method, uri   string
	credentials   *Credentials
	scratch, hash []byte
}

// response computes the request-digest (RFC 7616 section 3.4.1) in lower-case hexadecimal. The result is valid until the next call.
func (p *proof) response() []byte {
	var a1, a2 [64]byte
	ha1 := p.secret(a1[:0])
	ha2 := p.digest(a2[:0], p.method, p.uri)
	p.scratch = appendParts(append(p.scratch[:0], ha1...), p.nonce)
	if p.auth {
		p.scratch = appendParts(p.scratch, p.nc, p.cnonce, "auth")
	}
	p.scratch = append(append(p.scratch, ':'), ha2...)
	p.hash = p.alg.hash.appendHex(p.hash[:0], p.scratch)
	return p.hash
}

// secret appends the hash of A1 (RFC 7616 section 3.4.2).
func (p *proof) secret(dst []byte) []byte {
	c := p.credentials
	if c.HA1.IsEmpty() {
		dst = p.digest(dst, c.Username, p.realm, c.Password.Reveal())
	} else {
		dst = append(dst, strings.ToLower(c.HA1.Reveal())...)
	}
	if !p.alg.session {
		return dst
	}
	p.scratch = append(p.scratch[:0], dst...)
	p.scratch = appendParts(p.scratch, p.nonce, p.cnonce)
	return p.alg.hash.appendHex(dst[:0], p.scratch)
}

// digest appends the hash of the parts with colons between them.
func (p *proof) digest(dst []byte, first string, more ...string) []byte {
	p.scratch = appendParts(append(p.scratch[:0], first...), more...)
	return p.alg.hash.appendHex(dst, p.scratch)
}

// appendParts appends a colon and the part, for each part.
func appendParts(b []byte, parts ...string) []byte {
	for _, s := range parts {
		b = append(b, ':')
		b = append(b, s...)
	}
	return b
}
