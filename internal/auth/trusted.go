package auth

import (
	"net/http"
	"net/netip"
	"slices"
)

// Trusted takes peers of configured networks without credentials, decided by the
// address of the TCP peer alone. Credentials that such a peer sends are not read.
type Trusted struct {
	networks []netip.Prefix
}

// NewTrusted makes the authenticator; with no network it trusts nobody. An IPv4
// network also holds the peers whose address comes as IPv4-mapped IPv6.
func NewTrusted(networks []netip.Prefix) *Trusted {
	return &Trusted{networks: slices.Clone(networks)}
}

// Authenticate looks at r.RemoteAddr, which net/http sets from the connection.
func (t *Trusted) Authenticate(r *http.Request) (Principal, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Principal{}, ErrMissing
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, network := range t.networks {
		if network.Contains(addr) {
			return Principal{Trusted: true}, nil
		}
	}
	return Principal{}, ErrMissing
}

// Challenge gives none: one cannot ask for another address.
func (t *Trusted) Challenge(*http.Request, error) []string { return nil }
