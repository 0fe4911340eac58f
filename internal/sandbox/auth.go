package sandbox

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transaction"
)

// nonceLife is how long a nonce is good. After it the right password gets
// stale=true and asks nobody.
const nonceLife = 5 * time.Minute

// Sizes of a nonce in bytes: the time of its making in Unix seconds, then the first
// part of an HMAC over that.
const (
	nonceTime = 8
	nonceMAC  = 12
)

// verdict is what credentials are worth.
type verdict uint8

const (
	denied  verdict = iota // none, or not those of a user
	stale                  // right, but the nonce has had its day
	misused                // right for another request
	accepted
)

// authenticate asks for digest credentials (RFC 3261 section 22): with 401 as
// registrar, with 407 as proxy. ok is false when the request was answered. Nothing
// is kept of a nonce, so the same request may come again while its nonce lives, as
// retransmissions do.
func (p *Proxy) authenticate(in *transaction.Incoming, status int) (u User, ok bool) {
	header := sip.ProxyAuthorization
	if status == 401 {
		header = sip.Authorization
	}
	best := denied
	for _, f := range in.Msg.Fields {
		if f.Header != header {
			continue
		}
		if c, readable := parseCredentials(f.Value); readable && c.realm == p.domain {
			user, v := p.judge(&c, in.Msg)
			if v == accepted {
				return user, true
			}
			best = max(best, v)
		}
	}
	if best == misused {
		p.refuse(in, 400, "Credentials Are For Another URI")
		return User{}, false
	}
	p.challenge(in, status, best == stale)
	return User{}, false
}

// judge tells whose the credentials are, and whether they are good for req.
func (p *Proxy) judge(c *credentials, req *sip.Message) (User, verdict) {
	u, known := p.users[c.username]
	age, genuine := p.nonceAge(c.nonce)
	if !known || !genuine || !c.proves(u, req.Method) {
		return User{}, denied
	}
	if !sameTarget(c.uri, req.RequestURI) {
		return User{}, misused // RFC 7616 section 3.4.6 wants 400.
	}
	if age < 0 || age > nonceLife {
		return User{}, stale
	}
	return u, accepted
}

// sameTarget tells whether two URIs name the same user at the same place. Their
// parameters may differ: some phones leave them out of the digest.
func sameTarget(a, b string) bool {
	if a == b {
		return true
	}
	x, err := sip.ParseURI(a)
	if err != nil || !x.IsSIP() {
		return false
	}
	y, err := sip.ParseURI(b)
	return err == nil && x.Scheme == y.Scheme && x.Port == y.Port &&
		sip.Unescape(x.User) == sip.Unescape(y.User) && strings.EqualFold(x.Host, y.Host)
}

// challenge asks for credentials. The stronger hash stands first (RFC 8760 section
// 2.4).
func (p *Proxy) challenge(in *transaction.Incoming, status int, isStale bool) {
	header, phrase := sip.ProxyAuthenticate, ""
	if status == 401 {
		header = sip.WWWAuthenticate
	}
	tail := ""
	if isStale {
		tail, phrase = ", stale=true", "Nonce Is Stale"
	}
	start := "Digest realm=" + sip.Quote(p.domain) + `, nonce="` + p.newNonce(time.Now()) + `", algorithm=`
	fields := make([]sip.Field, 0, 2)
	for _, algorithm := range p.algorithms {
		fields = append(fields, field(header, start+algorithm+`, qop="auth"`+tail))
	}
	p.refuse(in, status, phrase, fields...)
}

// newNonce makes a nonce that tells its own age.
func (p *Proxy) newNonce(now time.Time) string {
	var b [nonceTime + nonceMAC]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.Unix()))
	copy(b[nonceTime:], p.mac("nonce", string(b[:nonceTime])))
	return hex.EncodeToString(b[:])
}

// nonceAge is the age of a nonce; genuine is false when this proxy did not make it.
func (p *Proxy) nonceAge(nonce string) (age time.Duration, genuine bool) {
	b, err := hex.DecodeString(nonce)
	if err != nil || len(b) != nonceTime+nonceMAC {
		return 0, false
	}
	if !hmac.Equal(b[nonceTime:], p.mac("nonce", string(b[:nonceTime]))[:nonceMAC]) {
		return 0, false
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	return time.Since(made), true
}

// mac is a keyed hash of parts; purpose keeps one use of the key from another.
func (p *Proxy) mac(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, p.key[:])
	_, _ = h.Write([]byte(purpose)) // A hash never fails.
	for _, s := range parts {
		_, _ = h.Write([]byte("\x00" + strconv.Itoa(len(s)) + ":" + s))
	}
	return h.Sum(nil)
}

// The algorithms that are understood (RFC 7616 section 3.2).
const (
	algorithmMD5    = "MD5"
	algorithmSHA256 = "SHA-256"
)

// proves tells whether the response was made with the password of u for a request
// with that method.
func (c *credentials) proves(u User, method string) bool {
	var sum func(string) string
	switch {
	case c.algorithm == "" || strings.EqualFold(c.algorithm, algorithmMD5):
		sum = func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	case strings.EqualFold(c.algorithm, algorithmSHA256):
		sum = func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	default:
		return false
	}
	ha1 := sum(c.username + ":" + c.realm + ":" + u.Password.Reveal())
	ha2 := sum(method + ":" + c.uri)
	middle := c.nonce
	if c.qop != "" {
		middle += ":" + c.nc + ":" + c.cnonce + ":" + c.qop
	}
	want := sum(ha1 + ":" + middle + ":" + ha2)
	qopKnown := c.qop == "" || strings.EqualFold(c.qop, "auth")
	return qopKnown && !u.Password.IsEmpty() && hmac.Equal([]byte(want), []byte(strings.ToLower(c.response)))
}

// credentials are the value of an Authorization or Proxy-Authorization field.
type credentials struct {
	username, realm, nonce, uri, response string
	algorithm, qop, nc, cnonce            string
}

// parseCredentials reads Digest credentials. A parameter that stands twice makes
// them unreadable: two readers could take different ones.
func parseCredentials(value string) (credentials, bool) {
	scheme, rest, _ := strings.Cut(strings.TrimLeft(value, " \t"), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return credentials{}, false
	}
	var c credentials
	known := map[string]*string{
		"username": &c.username, "realm": &c.realm, "nonce": &c.nonce, "uri": &c.uri, "response": &c.response,
		"algorithm": &c.algorithm, "qop": &c.qop, "nc": &c.nc, "cnonce": &c.cnonce,
	}
	for item := range sip.SplitList(rest) {
		name, text, ok := strings.Cut(item, "=")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		at, wanted := known[name]
		if !wanted {
			continue
		}
		if !ok || at == nil {
			return credentials{}, false
		}
		*at = sip.Unquote(strings.TrimLeft(text, " \t"))
		known[name] = nil
	}
	return c, c.username != "" && c.nonce != "" && c.response != ""
}
