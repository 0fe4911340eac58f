package auth

import (
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"
	"unicode/utf8"

	"callcontroller/internal/rfc7616"
)

// credentials is what an Authorization header of Digest says (RFC 7616 section 3.4).
type credentials struct {
	username, realm, nonce, uri, response string
	algorithm                             string // "" for MD5
	alg                                   rfc7616.Algorithm
	qop, nc, cnonce                       string
	userhash                              string
	extended                              string // username*
	count                                 uint32 // nc as a number
}

// parseCredentials reads what stands behind the scheme. It tells false when that is
// malformed, names a parameter twice, lacks one, or has an unknown algorithm or a quality
// of protection other than auth. Whether no qop at all is in order is the matter of the
// caller.
func parseCredentials(text string) (c credentials, ok bool) {
	p := rfc7616.NewParams(text)
	seen := map[string]bool{}
	for {
		name, value, err := p.Next()
		if err != nil {
			return c, false
		}
		if name == "" {
			return c, c.complete()
		}
		name = strings.ToLower(name)
		if seen[name] {
			return c, false
		}
		seen[name] = true
		if field := c.field(name); field != nil {
			*field = value
		}
	}
}

// field finds the place of a parameter, nil for one that means nothing here.
func (c *credentials) field(name string) *string {
	switch name {
	case "username":
		return &c.username
	case "username*":
		return &c.extended
	case "realm":
		return &c.realm
	case "nonce":
		return &c.nonce
	case "uri":
		return &c.uri
	case "response":
		return &c.response
	case "algorithm":
		return &c.algorithm
	case "qop":
		return &c.qop
	case "nc":
		return &c.nc
	case "cnonce":
		return &c.cnonce
	case "userhash":
		return &c.userhash
	}
	return nil
}

// complete checks the form of what was read. A user name comes plain or extended, not
// both; hashed ones were not asked for.
func (c *credentials) complete() bool {
	if c.extended != "" {
		name, ok := decodeExtended(c.extended)
		if !ok || c.username != "" {
			return false
		}
		c.username = name
	}
	if c.username == "" || !utf8.ValidString(c.username) || c.nonce == "" || c.uri == "" || strings.EqualFold(c.userhash, "true") {
		return false
	}
	var known bool
	if c.alg, known = rfc7616.FindAlgorithm(c.algorithm); !known {
		return false
	}
	if c.qop == "" {
		return c.nc == "" && c.cnonce == ""
	}
	return strings.EqualFold(c.qop, "auth") && c.cnonce != "" && c.readCount()
}

// readCount wants eight hexadecimal digits, from 00000001 on.
func (c *credentials) readCount() bool {
	b, err := hex.DecodeString(c.nc)
	if err != nil || len(b) != 4 {
		return false
	}
	c.count = binary.BigEndian.Uint32(b)
	return c.count > 0
}

// decodeExtended reads UTF-8”NAME, percent-encoded (RFC 5987 section 3.2).
func decodeExtended(text string) (string, bool) {
	parts := strings.SplitN(text, "'", 3)
	if len(parts) != 3 || !strings.EqualFold(parts[0], "UTF-8") {
		return "", false
	}
	name, err := url.PathUnescape(parts[2])
	return name, err == nil && !rfc7616.HasControl(name)
}
