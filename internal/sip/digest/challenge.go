package digest

import (
	"fmt"
	"strings"

	"callcontroller/internal/rfc7616"
)

// maxChallenge is the longest challenge that is read, in octets. Its nonce goes out again in every request.
const maxChallenge = 2048

// Challenge is one WWW-Authenticate or Proxy-Authenticate value (RFC 7616 section 3.3, RFC 3261 section 20.44). Parameters that SIP has no
// use for (domain, charset, userhash, unknown ones) are not kept. Values are without quotes and escapes.
type Challenge struct {
	Realm, Nonce string
	// Opaque is to be sent back as it came, HasOpaque even when it is empty.
	Opaque    string
	HasOpaque bool
	// Algorithm as the server wrote it. Empty: none given, which means MD5.
	Algorithm string
	// QOP is the list of offered qualities of protection as the server wrote it. Empty: none, as in RFC 2069.
	QOP string
	// Stale: the nonce of the request is too old, but the password was right.
	Stale bool
}

// ParseChallenge reads the value of one WWW-Authenticate or Proxy-Authenticate header field. A known parameter that comes twice, a
// missing realm or nonce, and a control character anywhere in a value are errors. Another scheme than Digest is ErrUnknownScheme.
func ParseChallenge(value string) (Challenge, error) {
	if len(value) > maxChallenge {
		return Challenge{}, fmt.Errorf("challenge has %d octets, more than %d", len(value), maxChallenge)
	}
	value = strings.TrimLeft(value, " \t\r\n")
	scheme, rest := value, ""
	if i := strings.IndexAny(value, " \t\r\n"); i >= 0 {
		scheme, rest = value[:i], value[i:]
	}
	if !strings.EqualFold(scheme, "Digest") {
		return Challenge{}, fmt.Errorf("scheme %q: %w", rfc7616.Clip(scheme), ErrUnknownScheme)
	}
	var c challengeReader
	if err := c.read(rest); err != nil {
		return Challenge{}, fmt.Errorf("digest challenge: %w", err)
	}
	return c.Challenge, nil
}

// challengeReader fills a Challenge and remembers which parameters it has seen, one bit each.
type challengeReader struct {
	Challenge

	seen uint8
}

const (
	seenRealm = 1 << iota
	seenNonce
	seenOpaque
	seenAlgorithm
	seenQOP
	seenStale
)

func (c *challengeReader) read(rest string) error {
	p := rfc7616.NewParams(rest)
	for {
		name, value, err := p.Next()
		if err != nil {
			return err
		}
		if name == "" {
			break
		}
		if err := c.set(name, value); err != nil {
			return err
		}
	}
	if c.seen&seenRealm == 0 {
		return fmt.Errorf("parameter %q is missing", "realm")
	}
	if c.seen&seenNonce == 0 {
		return fmt.Errorf("parameter %q is missing", "nonce")
	}
	c.HasOpaque = c.seen&seenOpaque != 0
	return nil
}

func (c *challengeReader) set(name, value string) error {
	var bit uint8
	switch {
	case strings.EqualFold(name, "realm"):
		bit, c.Realm = seenRealm, value
	case strings.EqualFold(name, "nonce"):
		bit, c.Nonce = seenNonce, value
	case strings.EqualFold(name, "opaque"):
		bit, c.Opaque = seenOpaque, value
	case strings.EqualFold(name, "algorithm"):
		bit, c.Algorithm = seenAlgorithm, value
	case strings.EqualFold(name, "qop"):
		bit, c.QOP = seenQOP, value
	case strings.EqualFold(name, "stale"):
		bit, c.Stale = seenStale, strings.EqualFold(value, "true")
	}
	if c.seen&bit != 0 {
		return fmt.Errorf("parameter %q is there twice", rfc7616.Clip(name))
	}
	c.seen |= bit
	return nil
}

// String is the challenge as a header value.
func (c Challenge) String() string {
	b := make([]byte, 0, 128)
	b = append(b, "Digest "...)
	b = rfc7616.AppendQuoted(b, "realm", c.Realm)
	b = rfc7616.AppendQuoted(b, "nonce", c.Nonce)
	if c.HasOpaque {
		b = rfc7616.AppendQuoted(b, "opaque", c.Opaque)
	}
	if c.Stale {
		b = rfc7616.AppendToken(b, "stale", "true")
	}
	if c.Algorithm != "" {
		b = rfc7616.AppendQuoted(b, "algorithm", c.Algorithm)
	}
	if c.QOP != "" {
		b = rfc7616.AppendQuoted(b, "qop", c.QOP)
	}
	return string(b)
}

// protection tells how a request is to be protected: with qop=auth when that is offered, without qop when none is offered. Only auth-int
// (or only something unknown) is not usable: it covers the body, which proxies change.
func (c Challenge) protection() (auth, usable bool) {
	list := strings.Trim(c.QOP, " \t,")
	if list == "" {
		return false, true
	}
	for token := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(token), "auth") {
			return true, true
		}
	}
	return false, false
}
