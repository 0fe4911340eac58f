// Package policy owns the rules of who may call whom, when, and how often, and to which
// web servers this server may send. It counts what users have had; it decides nothing
// about calls, and starts no goroutine.
package policy

import (
	"strconv"
	"strings"

	"callcontroller/internal/sip"
)

// sipPort is what a URI without a port means (RFC 3261 section 19.1.2).
const sipPort = 5060

// Hosts tells which SIP hosts may be called: the domain and a list. Nothing else is
// ever dialled (row Z07).
type Hosts struct{ allowed map[string]bool }

// NewHosts makes the rule. Entries are HOST or HOST:PORT, an IPv6 address in
// brackets. One without a port allows the host without a port and with 5060, and
// no other: 127.0.0.1:22 is not dialled because 127.0.0.1 may be.
func NewHosts(domain string, list []string) Hosts {
	h := Hosts{allowed: make(map[string]bool, 2*len(list)+2)}
	for _, entry := range append([]string{domain}, list...) {
		host, port, err := sip.ParseHostPort(entry)
		if err != nil {
			continue // The configuration has refused it already.
		}
		h.allowed[key(host, port)] = true
		if port == 0 {
			h.allowed[key(host, sipPort)] = true
		}
	}
	return h
}

// Allow tells whether a host may be called; port 0 stands for none.
func (h Hosts) Allow(host string, port int) bool { return h.allowed[key(host, port)] }

// key compares names without case and addresses by value.
func key(host string, port int) string {
	host = strings.ToLower(host)
	if a, ok := sip.HostAddr(host); ok {
		host = sip.FormatHost(a)
	}
	return host + " " + strconv.Itoa(port)
}
