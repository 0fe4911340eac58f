package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"callcontroller/internal/sip"
)

// Listen is an address to listen on.
type Listen struct {
	Scheme string // udp, tcp, http, https
	Host   string // an IP address, IPv6 without brackets, or a host name
	Port   int    // 0: the system picks one
}

// Address is the form that package net takes.
func (l Listen) Address() string { return net.JoinHostPort(l.Host, strconv.Itoa(l.Port)) }

func (l Listen) String() string { return l.Scheme + "://" + l.Address() }

// IsLoopback tells whether only this machine can reach the address. Of names, only
// localhost is known to be such.
func (l Listen) IsLoopback() bool {
	addr, err := netip.ParseAddr(l.Host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(l.Host, "localhost")
}

// HostPort is a host as it stands in a SIP URI, with or without a port.
type HostPort struct {
	Host string // a name or IP address, IPv6 in brackets; "" when nothing is configured
	Port int    // 0 when none is given
}

func (h HostPort) String() string {
	if h.Port == 0 {
		return h.Host
	}
	return h.Host + ":" + strconv.Itoa(h.Port)
}

// listenOn reads SCHEME://HOST:PORT.
func listenOn(schemes ...string) func(string) (Listen, error) {
	form := fmt.Errorf("must be %s://HOST:PORT with a port from 0 to 65535", strings.Join(schemes, "://HOST:PORT or "))
	return func(text string) (Listen, error) {
		text = strings.TrimSuffix(text, "/")
		u, err := url.Parse(text)
		if err != nil || !slices.Contains(schemes, u.Scheme) || u.Scheme+"://"+u.Host != text {
			return Listen{}, form
		}
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return Listen{}, form
		}
		host := u.Hostname()
		if host == "" {
			return Listen{}, errors.New("has no host; 0.0.0.0 or [::] stands for all addresses")
		}
		if _, err := netip.ParseAddr(host); err != nil {
			if _, err := hostPort(host); err != nil {
				return Listen{}, err
			}
		}
		return Listen{u.Scheme, host, int(port)}, nil
	}
}

// host reads a host without a port.
func host(text string) (string, error) {
	h, err := hostPort(text)
	if err == nil && h.Port != 0 {
		err = errors.New("must be a host without a port")
	}
	return h.Host, err
}

// hostPort reads a host with or without a port.
func hostPort(text string) (HostPort, error) {
	name, port, err := sip.ParseHostPort(text)
	if err != nil {
		return HostPort{}, errors.New("must be a host name or IP address, IPv6 in brackets, and a port from 1 to 65535 if any")
	}
	return HostPort{name, port}, checkHost(name)
}

// advertised reads the own address; the empty text is none.
func advertised(text string) (HostPort, error) {
	if text == "" {
		return HostPort{}, nil
	}
	return hostPort(text)
}

// checkHost refuses what looks like a host name and can be none (RFC 1123 section
// 2.1). The underscore stays, since DNS has such names.
func checkHost(name string) error {
	if addr, ok := sip.HostAddr(name); ok {
		if addr.IsUnspecified() {
			return errors.New("is no address of one host")
		}
		return nil
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("is no host name: a part of it is empty, longer than 63 characters, or starts or ends with a hyphen")
		}
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil {
		return errors.New("is neither a host name nor an IPv4 address")
	}
	return nil
}

// proxyURI reads the URI of the next hop; the empty text is none.
func proxyURI(text string) (sip.URI, error) {
	if text == "" {
		return sip.URI{}, nil
	}
	u, err := sip.ParseURI(text)
	switch {
	case err != nil:
		return sip.URI{}, errors.New("must be a URI such as sip:proxy.example.com:5060;transport=tcp")
	case u.Scheme != "sip":
		return sip.URI{}, fmt.Errorf("must be a sip: URI; %s: is not supported", u.Scheme)
	case u.User != "" || u.Headers != "":
		return sip.URI{}, errors.New("must have neither a user nor headers")
	}
	if transport, ok := u.Params.Get("transport"); ok && transportOf(u) == "" {
		return sip.URI{}, fmt.Errorf("has transport=%s; it must be udp or tcp", transport)
	}
	return u, checkHost(u.Host)
}

// transportOf is "udp" or "tcp" when the URI asks for it, else "".
func transportOf(u sip.URI) string {
	transport, _ := u.Params.Get("transport")
	if transport = strings.ToLower(transport); transport == "udp" || transport == "tcp" {
		return transport
	}
	return ""
}

// origin reads the origin of a web page as browsers write it (RFC 6454 section 6.2).
func origin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != text {
		return "", errors.New("must be the origin of a web page, such as https://crm.example.com: no path, no slash at the end")
	}
	return strings.ToLower(text), nil
}

// network reads a CIDR, or an address for a network of one.
func network(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, addrErr := netip.ParseAddr(text)
		if addrErr != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("must be a network such as 10.1.0.0/16 or 2001:db8::/32, or an address")
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	switch {
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, errors.New("is an IPv4 network in IPv6 form; write it as IPv4")
	case prefix.Bits() == 0:
		return netip.Prefix{}, errors.New("would trust everybody")
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("has bits behind its mask; is %s meant?", prefix.Masked())
	}
	return prefix, nil
}
