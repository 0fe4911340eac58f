package httpapi

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarded tells who the client is when the TCP peer is a reverse proxy that is
// configured as one (row Z02): what a proxy says in X-Forwarded-For and
// X-Forwarded-Proto is believed, what anybody else says is not. Behind it
// r.RemoteAddr is the client's address, and r.TLS tells whether the client came by TLS.
//
// The field Forwarded (RFC 7239) is not read: a proxy that writes only one of the two
// passes the other on as the client made it up.
type forwarded struct {
	proxies []netip.Prefix
	next    http.Handler
}

func (h forwarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !h.isProxy(peer.Addr()) {
		h.next.ServeHTTP(w, r)
		return
	}
	client, err := h.client(r)
	if err != nil {
		refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	behind := r.Clone(r.Context())
	behind.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	behind.TLS = secure(r)
	SetClient(r.Context(), client.String())
	h.next.ServeHTTP(w, behind)
}

func (h forwarded) isProxy(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(h.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

var (
	errNoClient  = errors.New("the peer is in http.proxies but sent no X-Forwarded-For, so the client is not known")
	errBadClient = errors.New("X-Forwarded-For is not a list of addresses")
)

// client is the right-most address that is none of our proxies: what stands left of
// it is what that client says, who can say anything. When all are proxies of ours it
// is the left-most, where the request began.
func (h forwarded) client(r *http.Request) (netip.Addr, error) {
	list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	if strings.Trim(list, " ,\t") == "" {
		return netip.Addr{}, errNoClient
	}
	var client netip.Addr
	for _, hop := range slices.Backward(strings.Split(list, ",")) {
		a, err := netip.ParseAddr(strings.Trim(hop, " \t[]"))
		if err != nil {
			return netip.Addr{}, errBadClient
		}
		client = a.Unmap()
		if !h.isProxy(client) {
			break
		}
	}
	return client, nil
}

// secure tells how the client came to the proxy, in the way net/http does: a request
// over TLS has a state. Without the field it is taken for plain HTTP, over which no
// password is accepted.
func secure(r *http.Request) *tls.ConnectionState {
	protos := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
	if !strings.EqualFold(strings.TrimSpace(protos[len(protos)-1]), "https") {
		return nil
	}
	if r.TLS != nil {
		return r.TLS
	}
	return &tls.ConnectionState{}
}
