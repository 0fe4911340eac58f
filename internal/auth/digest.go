package auth

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// Digest is RFC 7616, with the PIN of a user as the password, over HTTP and HTTPS. It
// offers qop=auth only, and takes the -sess variant of an algorithm that it offers.
//
// A PIN in plain text serves all algorithms, and aliases as login names. An HA1 serves
// its own algorithm, and the name only. A user of whom there is nothing but a pin_hash
// cannot log in by Digest.
type Digest struct {
	Config

	hashes []rfc7616.Hash
	legacy bool
	nonces *nonces
}

// NewDigest makes the authenticator; the hashes are offered in their order. With legacy
// it also takes answers without qop (RFC 2069), each nonce once.
func NewDigest(c Config, hashes []rfc7616.Hash, legacy bool) *Digest {
	return &Digest{Config: c, hashes: slices.Clone(hashes), legacy: legacy, nonces: newNonces(maxNonces)}
}

// Authenticate checks first what has nothing to do with a user: a nonce that is not
// ours is refused before anybody's PIN is looked at. ErrStale is for a right response.
func (d *Digest) Authenticate(r *http.Request) (Principal, error) {
	if len(d.hashes) == 0 {
		return Principal{}, ErrMissing
	}
	if err := mine(r, "Digest"); err != nil {
		return Principal{}, err
	}
	c, ok := parseCredentials(r.Header.Get("Authorization")[len("Digest"):])
	n, ours := d.nonces.read(c.nonce)
	if !ok || !ours || !d.takes(&c) || !sameTarget(c.uri, r.RequestURI) {
		return Principal{}, ErrRefused
	}
	a := d.Guard.attempt(r, c.username)
	if err := a.admit(); err != nil {
		return Principal{}, err
	}
	user, right := d.verify(&c, r.Method)
	if !right {
		a.failed()
		return Principal{}, ErrRefused
	}
	if err := d.use(n, &c); err != nil {
		return Principal{}, err
	}
	a.succeeded()
	return principalOf(user), nil
}

// takes tells whether credentials are of a kind that was offered. A session key needs a
// cnonce, which only goes with qop.
func (d *Digest) takes(c *credentials) bool {
	return c.realm == d.Realm && slices.Contains(d.hashes, c.alg.Hash) && (c.qop != "" || d.legacy && !c.alg.Session)
}

// use spends the count of a right response. Without a qop there is no count, so the
// nonce is good for one request, and stale from then on.
func (d *Digest) use(n nonce, c *credentials) error {
	count := c.count
	if c.qop == "" {
		count = 1
	}
	switch d.nonces.use(n, count) {
	case fresh:
		return nil
	case stale:
		return ErrStale
	case replayed:
		if c.qop == "" {
			return ErrStale
		}
	}
	return ErrRefused
}

// dummy stands for a PIN that is not there, to take the same time.
var dummy = secret.New("no PIN")

// verify computes the same whether there is such a user or not.
func (d *Digest) verify(c *credentials, method string) (directory.User, bool) {
	user := find(d.Users, c.username)
	want, can := user.PIN, !user.PIN.IsEmpty()
	if !can {
		want = dummy
	}
	ha1 := c.alg.Hash.HA1(c.username, d.Realm, want.Reveal())
	if stored := pin.FindHA1(user.PINHA1, c.alg.Hash); !stored.IsEmpty() {
		ha1, can = stored.Reveal(), true
	}
	p := rfc7616.Proof{
		Algorithm: c.alg, Auth: c.qop != "", HA1: ha1, Nonce: c.nonce, NC: c.nc, CNonce: c.cnonce, Method: method, URI: c.uri,
	}
	var response [64]byte
	right := subtle.ConstantTimeCompare(p.AppendResponse(response[:0]), []byte(c.response)) == 1
	return user, right && can
}

// sameTarget compares the uri of the credentials with the target of the request line,
// byte for byte (RFC 7616 section 3.4.6). Either may be in absolute form (RFC 9112
// section 3.2.2); then what stands behind the authority counts.
func sameTarget(uri, target string) bool { return originForm(uri) == originForm(target) }

func originForm(target string) string {
	_, rest, absolute := strings.Cut(target, "://")
	if !absolute || strings.HasPrefix(target, "/") {
		return target
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return "/"
}

// Challenge gives one challenge for each hash, all with one nonce. The client takes the
// first that it knows (RFC 7616 section 3.7).
func (d *Digest) Challenge(_ *http.Request, err error) []string {
	if len(d.hashes) == 0 {
		return nil
	}
	nonce := d.nonces.issue()
	var all []string
	for _, hash := range d.hashes {
		b := rfc7616.AppendQuoted([]byte("Digest "), "realm", d.Realm)
		b = rfc7616.AppendQuoted(b, "qop", "auth")
		b = rfc7616.AppendToken(b, "algorithm", hash.String())
		b = rfc7616.AppendQuoted(b, "nonce", nonce)
		b = rfc7616.AppendToken(b, "charset", "UTF-8")
		if errors.Is(err, ErrStale) {
			b = rfc7616.AppendToken(b, "stale", "true")
		}
		all = append(all, string(b))
	}
	return all
}
