package digest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"callcontroller/internal/rfc7616"
)

// maxChallenges is how many challenges of one response are read.
const maxChallenges = 16

// Attempt is the state of one logical request and its retries: which realms challenged it, and how often they were answered. A new request
// (also one inside a dialog) takes a new Attempt; the cache carries over what was learned. An ACK to a 2xx carries the same credential
// fields as its INVITE (RFC 3261 section 22.1): the caller copies them. For one goroutine at a time.
type Attempt struct {
	cache       *Cache
	account     account
	credentials Credentials
	realms      []held
}

// held is one realm of an attempt. It begins with a nonce from the cache, or with a challenge.
type held struct {
	role  role
	nonce *nonce
	// answered: a challenge to this very request was answered.
	answered bool
	// renewed: the one more try for a stale nonce was used up.
	renewed bool
}

// offer is the challenge that was chosen for a realm.
type offer struct {
	role      role
	challenge Challenge
	alg       rfc7616.Algorithm
	auth      bool
}

// NewAttempt begins a request to a host: the name or address, with port if it matters, of the next hop, always written alike. The
// caller has decided that these credentials are for that host; when Credentials.Host is set, this is checked here too.
func (c *Cache) NewAttempt(cred Credentials, host string) *Attempt {
	return &Attempt{cache: c, credentials: cred, account: newAccount(host, cred.Username)}
}

// Preemptive gives the credential fields for the first try, one for each realm that has challenged this account at this host before; none
// when nothing is known. Method and uri are those of the request line. What a proxy asked for is sent to it again in any request; what
// a server (401) asked for only when its realm is the configured one, since the next request may be for somebody else.
func (a *Attempt) Preemptive(method, uri string) []Field {
	if a.check(method, uri) != nil {
		return nil
	}
	if len(a.realms) == 0 {
		a.cache.each(a.account, func(r role, n *nonce) {
			if a.credentials.isFor(n.challenge.Realm) && (r == proxy || a.credentials.Realm != "") && a.credentials.canAnswer(n.alg) {
				a.realms = append(a.realms, held{role: r, nonce: n})
			}
		})
	}
	return a.fields(method, uri)
}

// Retry takes the values of the WWW-Authenticate fields of a 401 or of the Proxy-Authenticate fields of a 407, in their order, and gives all
// credential fields for the next try of the same request; they replace those of the try before. Errors are those of this package.
func (a *Attempt) Retry(status int, challenges []string, method, uri string) ([]Field, error) {
	var name string
	switch status {
	case 401:
		name = "WWW-Authenticate"
	case 407:
		name = "Proxy-Authenticate"
	default:
		return nil, fmt.Errorf("status %d is no challenge: only 401 and 407 are", status)
	}
	received := make([]Field, len(challenges))
	for i, value := range challenges {
		received[i] = Field{name, value}
	}
	return a.RetryFields(received, method, uri)
}

// RetryFields is Retry for a response with both kinds of fields: a forking proxy puts the challenges of all branches into one response
// (RFC 3261 section 22.3). Fields with other names are passed over.
func (a *Attempt) RetryFields(received []Field, method, uri string) ([]Field, error) {
	if err := a.check(method, uri); err != nil {
		return nil, err
	}
	offers, err := a.choose(received)
	if err != nil {
		return nil, err
	}
	for _, o := range offers {
		if err := a.accept(o); err != nil {
			return nil, err
		}
	}
	return a.fields(method, uri), nil
}

// check refuses what must not be sent at all.
func (a *Attempt) check(method, uri string) error {
	if !a.credentials.isForHost(a.account.host) {
		return fmt.Errorf("host %q: %w", a.account.host, ErrForeignHost)
	}
	if rfc7616.HasControl(method) || rfc7616.HasControl(uri) {
		return errors.New("method or Request-URI has a control character")
	}
	return a.credentials.Validate()
}

// choose picks one challenge for each realm and role: the topmost that we support (RFC 8760 section 2.4).
func (a *Attempt) choose(received []Field) ([]offer, error) {
	var offers []offer
	refused := ErrNoUsableChallenge
	foreign := false
	for _, f := range received[:min(len(received), maxChallenges)] {
		o, err := a.read(f)
		switch {
		case errors.Is(err, ErrForeignRealm):
			foreign, refused = true, err
		case err != nil && !foreign:
			refused = fmt.Errorf("%w: %w", ErrNoUsableChallenge, err)
		case err == nil && !contains(offers, o):
			offers = append(offers, o)
		}
	}
	if len(offers) == 0 {
		return nil, refused
	}
	return offers, nil
}

// read turns one header field into an offer that these credentials can answer.
func (a *Attempt) read(f Field) (offer, error) {
	var o offer
	switch {
	case strings.EqualFold(f.Name, "Proxy-Authenticate"):
		o.role = proxy
	case !strings.EqualFold(f.Name, "WWW-Authenticate"):
		return offer{}, fmt.Errorf("field %q is no challenge", rfc7616.Clip(f.Name))
	}
	var err error
	if o.challenge, err = ParseChallenge(f.Value); err != nil {
		return offer{}, err
	}
	if !a.credentials.isFor(o.challenge.Realm) {
		return offer{}, fmt.Errorf("realm %q: %w", rfc7616.Clip(o.challenge.Realm), ErrForeignRealm)
	}
	var known, usable bool
	o.alg, known = rfc7616.FindAlgorithm(o.challenge.Algorithm)
	o.auth, usable = o.challenge.protection()
	switch {
	case !known || !a.credentials.canAnswer(o.alg):
		return offer{}, fmt.Errorf("algorithm %q cannot be answered", rfc7616.Clip(o.challenge.Algorithm))
	case !usable || o.alg.Session && !o.auth: // A session key needs a cnonce, which only goes with qop.
		return offer{}, fmt.Errorf("qop %q with algorithm %q cannot be answered", rfc7616.Clip(o.challenge.QOP), rfc7616.Clip(o.challenge.Algorithm))
	}
	return o, nil
}

func contains(offers []offer, o offer) bool {
	for i := range offers {
		if offers[i].role == o.role && offers[i].challenge.Realm == o.challenge.Realm {
			return true
		}
	}
	return false
}

// accept takes a challenge into the attempt. A realm gets one answer, and one more if it then calls the nonce stale. Credentials that were
// sent unasked with an older nonce don't count: nonces expire. Sent unasked with this very nonce they do.
func (a *Attempt) accept(o offer) error {
	h := a.find(o.role, o.challenge.Realm)
	switch {
	case h == nil:
		return a.begin(o)
	case !h.answered && (o.challenge.Stale || h.nonce.challenge.Nonce != o.challenge.Nonce):
		h.answered = true
	case h.answered && o.challenge.Stale && !h.renewed:
		h.renewed = true
	default:
		a.cache.forget(a.account, o.role, o.challenge.Realm)
		return fmt.Errorf("realm %q: %w", rfc7616.Clip(o.challenge.Realm), ErrRejected)
	}
	h.nonce = a.cache.remember(a.account, o)
	return nil
}

// begin takes the first challenge of a realm. When there are too many, one that was only in the cache and did not ask gives way.
func (a *Attempt) begin(o offer) error {
	if len(a.realms) == maxRealms {
		i := slices.IndexFunc(a.realms, func(h held) bool { return !h.answered })
		if i < 0 {
			return fmt.Errorf("realm %q is number %d: %w", rfc7616.Clip(o.challenge.Realm), maxRealms+1, ErrTooManyRealms)
		}
		a.realms = slices.Delete(a.realms, i, i+1)
	}
	a.realms = append(a.realms, held{role: o.role, answered: true, nonce: a.cache.remember(a.account, o)})
	return nil
}

func (a *Attempt) find(r role, realm string) *held {
	for i := range a.realms {
		if h := &a.realms[i]; h.role == r && h.nonce.challenge.Realm == realm {
			return h
		}
	}
	return nil
}

// fields answers every realm of the attempt, each with its next count.
func (a *Attempt) fields(method, uri string) []Field {
	if len(a.realms) == 0 {
		return nil
	}
	out := make([]Field, 0, len(a.realms))
	for _, h := range a.realms {
		out = append(out, Field{Name: h.role.answerField(), Value: h.nonce.answer(&a.credentials, method, uri)})
	}
	return out
}
