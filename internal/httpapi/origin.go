package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// sameOrigin refuses what a web page of somebody else makes a browser send (row Z13):
// the browser adds the password that it remembers, or sits in a trusted network. A
// browser tells where a request comes from in Sec-Fetch-Site (Fetch Metadata) or, when
// it is older, in Origin; other clients send neither. Package net/http has the like in
// CrossOriginProtection, which lets every GET pass; here none does, since an <img> can
// ask, too, and no page of another origin has any business here.
//
// A page's own name can be made to lead here after it was loaded (DNS rebinding). Over
// TLS the certificate stops that; without, a name counts as ours only when it is listed.
type sameOrigin struct {
	allowed []string // origins, such as https://crm.example.com
	next    http.Handler
}

func (h sameOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.allows(r) {
		refuse(w, r, http.StatusForbidden, "requests from web pages of another origin are refused; http.origins allows some")
		return
	}
	h.next.ServeHTTP(w, r)
}

func (h sameOrigin) allows(r *http.Request) bool {
	sites, origins := r.Header.Values("Sec-Fetch-Site"), r.Header.Values("Origin")
	if len(sites) > 1 || len(origins) > 1 {
		return false // Which of them counts would be a guess.
	}
	origin := r.Header.Get("Origin")
	if origin != "" && slices.Contains(h.allowed, strings.ToLower(origin)) {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "":
		_, host, _ := strings.Cut(origin, "://")
		return origin == "" || strings.EqualFold(host, r.Host) && ownName(r)
	case "same-origin":
		return ownName(r)
	default:
		return r.Header.Get("Sec-Fetch-Site") == "none" // The user typed the address.
	}
}

// ownName tells whether nobody else can have the name by which we were asked.
func ownName(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	u := url.URL{Host: r.Host}
	_, err := netip.ParseAddr(u.Hostname())
	return err == nil || u.Hostname() == "localhost"
}
