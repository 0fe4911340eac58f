package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// URI is a SIP or SIPS URI (RFC 3261 section 19.1), its parts as spelled, or any
// other URI, of which only the scheme is known.
type URI struct {
	Scheme  string // lower case: "sip", "sips", "tel"
	User    string // with ":password" if any, still escaped; "" when there is none
	Host    string // a name or address; IPv6 stands in brackets
	Port    int    // 0 when none is given
	Params  Params
	Headers string // what stands behind "?"
	Opaque  string // all behind the colon, for schemes other than sip and sips
}

// ErrURI is wrapped by all errors of ParseURI.
var ErrURI = errors.New("not a URI")

// ParseURI reads a URI that stands alone, as a Request-URI does.
func ParseURI(s string) (URI, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) || rest == "" || strings.ContainsAny(rest, " \t<>\"") || strings.ContainsFunc(rest, isControl) {
		return URI{}, fmt.Errorf("%w: %q", ErrURI, clip(s))
	}
	u := URI{Scheme: strings.ToLower(scheme)}
	if u.Scheme != "sip" && u.Scheme != "sips" {
		u.Opaque = rest
		return u, nil
	}
	if at := strings.IndexByte(rest, '@'); at >= 0 {
		u.User, rest = rest[:at], rest[at+1:]
		if u.User == "" || strings.IndexByte(rest, '@') >= 0 && !atInHeaders(rest) {
			return URI{}, fmt.Errorf("%w: %q has an empty user or a second @", ErrURI, clip(s))
		}
	}
	rest, u.Headers, _ = strings.Cut(rest, "?")
	if semi := strings.IndexByte(rest, ';'); semi >= 0 {
		u.Params, rest = Params(rest[semi:]), rest[:semi]
	}
	var err error
	u.Host, u.Port, err = ParseHostPort(rest)
	if err != nil {
		return URI{}, fmt.Errorf("%w: %q: %w", ErrURI, clip(s), err)
	}
	return u, nil
}

// atInHeaders tells whether the "@" stands behind "?", where it is no separator.
func atInHeaders(rest string) bool {
	q := strings.IndexByte(rest, '?')
	return q >= 0 && q < strings.IndexByte(rest, '@')
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// clip keeps foreign text in errors short.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

// ParseHostPort reads host [":" port]. The host is a name of letters, digits,
// "-", "_" and ".", an IPv4 address, or an IPv6 address in brackets; the port is
// 1 to 65535, or 0 in the result when none is given.
func ParseHostPort(s string) (host string, port int, err error) {
	host, tail := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, fmt.Errorf("host %q has no closing bracket", clip(s))
		}
		host, tail = s[:end+1], s[end+1:]
		if a, ok := HostAddr(host); !ok || !a.Is6() || a.Zone() != "" {
			return "", 0, fmt.Errorf("host %q is not an IPv6 address", clip(host))
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, tail = s[:i], s[i:]
	}
	if !strings.HasPrefix(host, "[") && !isHostname(host) {
		return "", 0, fmt.Errorf("host %q is not a host name", clip(host))
	}
	if tail == "" {
		return host, 0, nil
	}
	n, ok := parseUint(tail[1:], 65535)
	if tail[0] != ':' || !ok || n == 0 {
		return "", 0, fmt.Errorf("port %q is not a number from 1 to 65535", clip(tail))
	}
	return host, int(n), nil
}

func isHostname(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return true
}

// IsSIP tells whether the scheme is sip or sips.
func (u URI) IsSIP() bool { return u.Scheme == "sip" || u.Scheme == "sips" }

// AppendTo writes the URI behind b.
func (u URI) AppendTo(b []byte) []byte {
	b = append(b, u.Scheme...)
	b = append(b, ':')
	if !u.IsSIP() {
		return append(b, u.Opaque...)
	}
	if u.User != "" {
		b = append(b, u.User...)
		b = append(b, '@')
	}
	b = append(b, u.Host...)
	if u.Port != 0 {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(u.Port), 10)
	}
	b = append(b, u.Params...)
	if u.Headers != "" {
		b = append(b, '?')
		b = append(b, u.Headers...)
	}
	return b
}

func (u URI) String() string { return string(u.AppendTo(make([]byte, 0, 64))) }

// Addr is the host as an IP address, if it is one.
func (u URI) Addr() (netip.Addr, bool) { return HostAddr(u.Host) }

// HostAddr reads a host as it stands in a URI or Via as an IP address. Three colons
// in a row, which the grammar of RFC 3261 yields by mistake, count as two (RFC 5118
// section 4.10).
func HostAddr(host string) (netip.Addr, bool) {
	if len(host) > 2 && host[0] == '[' {
		host = strings.Replace(host[1:len(host)-1], ":::", "::", 1)
	}
	a, err := netip.ParseAddr(host)
	return a, err == nil
}

// FormatHost writes an IP address as a URI or Via wants it: IPv6 in brackets.
func FormatHost(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}
