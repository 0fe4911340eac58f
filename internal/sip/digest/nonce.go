package digest

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync/atomic"

	"callcontroller/internal/rfc7616"
)

// role is who challenged: a proxy (407) or the element that the request is for (401).
type role uint8

const (
	server role = iota
	proxy
)

// answerField is the name of the header field that answers a challenge of that role.
func (r role) answerField() string {
	if r == proxy {
		return "Proxy-Authorization"
	}
	return "Authorization"
}

// nonce is one nonce of one realm with the count of the requests that carried it. It is shared by everything that uses this nonce, so that no
// count goes out twice. Safe for concurrent use.
type nonce struct {
	challenge Challenge
	alg       rfc7616.Algorithm
	auth      bool
	// sessionCnonce is the one cnonce of a -sess algorithm: the session key is made with the first one (RFC 7616 section 3.4.2), and
	// servers that make it anew for each request get the same key.
	sessionCnonce string
	count         atomic.Uint32
}

// newNonce copies the challenge, so that it doesn't keep a whole message in memory.
func newNonce(o offer) *nonce {
	n := &nonce{alg: o.alg, auth: o.auth, challenge: Challenge{
		Realm:     strings.Clone(o.challenge.Realm),
		Nonce:     strings.Clone(o.challenge.Nonce),
		Opaque:    strings.Clone(o.challenge.Opaque),
		HasOpaque: o.challenge.HasOpaque,
		Algorithm: strings.Clone(o.challenge.Algorithm),
	}}
	if n.alg.Session {
		n.sessionCnonce = newCnonce()
	}
	return n
}

// matches tells whether an offer is for this very nonce, so that its count goes on.
func (n *nonce) matches(o offer) bool {
	c := &n.challenge
	return c.Nonce == o.challenge.Nonce && c.Opaque == o.challenge.Opaque && c.HasOpaque == o.challenge.HasOpaque &&
		c.Algorithm == o.challenge.Algorithm && n.auth == o.auth
}

// answer makes the credentials (RFC 7616 section 3.4) for one request. The caller has refused control characters in uri and username.
func (n *nonce) answer(c *Credentials, method, uri string) string {
	realm := n.challenge.Realm
	p := rfc7616.Proof{
		Algorithm: n.alg, Auth: n.auth, HA1: c.ha1In(realm, n.alg.Hash), Nonce: n.challenge.Nonce, Method: method, URI: uri,
	}
	if n.auth {
		p.NC, p.CNonce = hexCount(n.count.Add(1)), n.sessionCnonce
		if p.CNonce == "" {
			p.CNonce = newCnonce()
		}
	}
	return n.write(&p, c.Username)
}

func (n *nonce) write(p *rfc7616.Proof, username string) string {
	var response [64]byte
	b := make([]byte, 0, 256+len(p.URI)+len(p.Nonce)+len(n.challenge.Opaque))
	b = append(b, "Digest "...)
	b = rfc7616.AppendQuoted(b, "username", username)
	b = rfc7616.AppendQuoted(b, "realm", n.challenge.Realm)
	b = rfc7616.AppendQuoted(b, "nonce", p.Nonce)
	b = rfc7616.AppendQuoted(b, "uri", p.URI)
	b = rfc7616.AppendQuoted(b, "response", string(p.AppendResponse(response[:0])))
	if n.challenge.Algorithm != "" { // A known token: FindAlgorithm has compared it.
		b = rfc7616.AppendToken(b, "algorithm", n.challenge.Algorithm)
	}
	if n.challenge.HasOpaque {
		b = rfc7616.AppendQuoted(b, "opaque", n.challenge.Opaque)
	}
	if p.Auth {
		b = rfc7616.AppendToken(b, "qop", "auth")
		b = rfc7616.AppendToken(b, "nc", p.NC)
		b = rfc7616.AppendQuoted(b, "cnonce", p.CNonce)
	}
	return string(b)
}

// hexCount writes a nonce count: eight hexadecimal digits.
func hexCount(n uint32) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return hex.EncodeToString(b[:])
}

// newCnonce makes 128 random bits.
func newCnonce() string {
	var b [16]byte
	rand.Read(b[:]) // It never fails: crypto/rand ends the program instead.
	return hex.EncodeToString(b[:])
}
