package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// MagicCookie starts the branch of every RFC 3261 sender (section 8.1.1.7).
const MagicCookie = "z9hG4bK"

// ViaValue is one Via value.
type ViaValue struct {
	Transport string // as spelled: UDP, TCP, TLS
	Host      string
	Port      int // 0 when none is given
	Params    Params
}

// ErrVia is wrapped by all errors of ParseVia.
var ErrVia = errors.New("not a Via")

// ParseVia reads one Via value.
func ParseVia(s string) (ViaValue, error) {
	protocol, rest := s, ""
	if strings.ContainsFunc(s, isControl) {
		return ViaValue{}, fmt.Errorf("%w: control character", ErrVia)
	}
	// sent-protocol may have white space around its slashes (RFC 3261 section 25).
	if i := viaProtocolEnd(s); i > 0 {
		protocol, rest = s[:i], strings.TrimLeft(s[i:], " \t")
	}
	name, tail, _ := strings.Cut(protocol, "/")
	version, transport, ok := strings.Cut(tail, "/")
	transport = strings.Trim(transport, " \t")
	if !ok || !strings.EqualFold(strings.Trim(name, " \t"), "SIP") || strings.Trim(version, " \t") != "2.0" || !IsToken(transport) {
		return ViaValue{}, fmt.Errorf("%w: %q", ErrVia, clip(s))
	}
	v := ViaValue{Transport: transport}
	sentBy := rest
	if semi := strings.IndexByte(rest, ';'); semi >= 0 {
		sentBy = rest[:semi]
		if v.Params, ok = checkParams(rest[semi:]); !ok || strings.Contains(string(v.Params), ";;") || strings.HasSuffix(string(v.Params), ";") {
			return ViaValue{}, fmt.Errorf("%w: parameters of %q", ErrVia, clip(s))
		}
	}
	var err error
	v.Host, v.Port, err = parseSentBy(sentBy)
	if err != nil {
		return ViaValue{}, fmt.Errorf("%w: %w", ErrVia, err)
	}
	return v, nil
}

// viaProtocolEnd is the end of the transport: the first white space behind the
// second slash and the token that follows it.
func viaProtocolEnd(s string) int {
	slashes, token := 0, false
	for i := range len(s) {
		switch c := s[i]; c {
		case '/':
			slashes++
			token = false
		case ' ', '\t':
			if slashes == 2 && token {
				return i
			}
		default:
			token = true
		}
	}
	return -1
}

// parseSentBy allows white space around the colon of host ":" port.
func parseSentBy(s string) (host string, port int, err error) {
	if strings.ContainsAny(s, " \t") {
		s = strings.NewReplacer(" ", "", "\t", "").Replace(s)
	}
	return ParseHostPort(s)
}

// Branch is the branch parameter, "" when there is none.
func (v ViaValue) Branch() string {
	b, _ := v.Params.Get("branch")
	return b
}

// String writes the value.
func (v ViaValue) String() string {
	var room [128]byte
	return string(v.AppendTo(room[:0]))
}

// AppendTo writes the value behind b.
func (v ViaValue) AppendTo(b []byte) []byte {
	b = append(b, Version+"/"...)
	b = append(b, v.Transport...)
	b = append(b, ' ')
	b = append(b, v.Host...)
	if v.Port != 0 {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(v.Port), 10)
	}
	return append(b, v.Params...)
}

// Received gives the value with what a server adds when it takes the request from
// source (RFC 3261 section 18.2.1, RFC 3581 section 4): received where the host
// is not the source address, or where rport was asked for, and the port in rport.
func (v ViaValue) Received(source netip.AddrPort) ViaValue {
	addr := source.Addr().Unmap()
	port, asked := v.Params.Get("rport")
	asked = asked && port == ""
	host, ok := HostAddr(v.Host)
	told := asked || !ok || host.Unmap() != addr
	if !told {
		return v
	}
	b := make([]byte, 0, len(v.Params)+64)
	for name, value := range v.Params.All() {
		switch {
		case strings.EqualFold(name, "received"):
			continue
		case asked && strings.EqualFold(name, "rport"):
			b = append(append(b, ';'), name...)
			b = strconv.AppendUint(append(b, '='), uint64(source.Port()), 10)
			asked = false // A second one stays as it is.
			continue
		}
		b = append(append(b, ';'), name...)
		if value != "" {
			b = append(append(b, '='), value...)
		}
	}
	b = addr.WithZone("").AppendTo(append(b, ";received="...))
	v.Params = Params(b)
	return v
}
