package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"callcontroller/internal/sip"
)

// Outward tells which web servers this server may send to (row Z07, for HTTP). The zero
// value allows HTTPS to every public address.
type Outward struct {
	// Hosts are those that a URL may name, HOST or HOST:PORT, an IPv6 address in brackets;
	// none for every host. One without a port allows that of the URL's scheme.
	Hosts     []string
	Networks  []netip.Prefix // may be reached although they are not public
	Private   bool           // every address may be reached
	AllowHTTP bool           // also without TLS
}

// CheckURL tells why nothing may be sent to a URL. A name in it is not looked up: the
// addresses that it leads to are checked by CheckAddr when they are dialled.
func (o *Outward) CheckURL(u *url.URL) error {
	if err := checkForm(u); err != nil {
		return err
	}
	if u.Scheme == "http" && !o.AllowHTTP {
		return errors.New("is plain HTTP, which webhooks.allow_http does not allow")
	}
	if !o.allowsHost(u) {
		return errors.New("has a host and port that webhooks.hosts does not allow")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return o.CheckAddr(a)
	}
	return nil
}

func checkForm(u *url.URL) error {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be https://HOST[:PORT]/PATH")
	case u.Port() != "" && (err != nil || port == 0):
		return errors.New("must have a port from 1 to 65535, if any")
	case u.User != nil:
		return errors.New("must have no user and password: the signature tells who sends")
	case u.Fragment != "":
		return errors.New("must have no #, which is never sent")
	}
	return nil
}

func (o *Outward) allowsHost(u *url.URL) bool {
	if len(o.Hosts) == 0 {
		return true
	}
	usual := map[string]int{"https": 443, "http": 80}[u.Scheme]
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = usual
	}
	wanted := key(u.Hostname(), port)
	return slices.ContainsFunc(o.Hosts, func(entry string) bool {
		host, port, err := sip.ParseHostPort(entry)
		if port == 0 {
			port = usual
		}
		return err == nil && key(host, port) == wanted
	})
}

// CheckAddr tells why an address may not be dialled.
func (o *Outward) CheckAddr(a netip.Addr) error {
	a = reached(a)
	in := func(n netip.Prefix) bool { return n.Contains(a) }
	if o.Private || isPublic(a) || slices.ContainsFunc(o.Networks, in) {
		return nil
	}
	return fmt.Errorf("%s is no public address, and in none of webhooks.networks", a)
}

// nat64 has IPv4 addresses in its last 32 bits (RFC 6052 section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// reached is the address to which packets go that are sent to a.
func reached(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// global is the part of IPv6 from which public addresses are given out.
var global = netip.MustParsePrefix("2000::/3")

// special is what of IPv4, and of global, is not public, by the registries of
// special-purpose addresses (RFC 6890, and IANA for what came later) and of multicast.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func isPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Is6() && !global.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(n netip.Prefix) bool { return n.Contains(a) })
}
