package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"callcontroller/internal/config/source"
	users "callcontroller/internal/directory/file"
)

// Validate checks what concerns several keys or the files they name, and finds what
// a configuration made in code can have wrong. The error is Faults, all of them.
func (c *Config) Validate() error {
	v := validator{config: c}
	v.values(c.fields())
	v.sip()
	v.listen("sip.listen", c.SIP.Listen)
	v.listen("http.listen", c.HTTP.Listen)
	v.plainHTTP()
	v.digest()
	v.tls()
	if c.Data == "" {
		v.fault("data", 0, "", "must name a directory")
	}
	v.users()
	v.webhooks()
	v.journal(&c.Journal)
	return v.faults.Err()
}

type validator struct {
	config *Config
	faults Faults
}

// fault notes what is wrong with a key, or with one value of its list.
func (v *validator) fault(key string, index int, value, reason string) {
	at := source.Place{Name: v.config.name}
	if places := v.config.places[key]; index < len(places) {
		at = places[index]
	}
	v.faults = append(v.faults, Fault{Place: at, Key: key, Value: value, Reason: reason})
}

// values checks each value on its own. Those of a file were checked before; this is
// for a configuration that was made in code.
func (v *validator) values(fields []field) {
	for _, f := range fields {
		texts, isList := f.show().([]string)
		if !isList {
			texts = []string{fmt.Sprint(f.show())}
		}
		for i, text := range texts {
			if text == "" || f.kind == hidden {
				continue
			}
			if err := f.check(text); err != nil {
				v.fault(f.key, i, printable(f, text), err.Error())
			}
		}
	}
}

func (v *validator) sip() {
	c := &v.config.SIP
	if c.Domain == "" {
		v.fault("sip.domain", 0, "", "is missing: the host that completes 201 to 201@HOST")
	}
	if want := transportOf(c.Proxy); want != "" && !hasScheme(c.Listen, want) {
		v.fault("sip.proxy", 0, c.Proxy.String(), "wants "+want+", but sip.listen has no "+want+":// address")
	}
	switch {
	case c.Account.Username != "" && c.Account.Password.IsEmpty():
		v.fault("sip.account.password", 0, "", "is missing beside sip.account.username")
	case c.Account.Username == "" && !c.Account.Password.IsEmpty():
		v.fault("sip.account.username", 0, "", "is missing beside sip.account.password")
	}
}

// hasScheme also takes an address that could not be read, which has its own fault.
func hasScheme(list []Listen, scheme string) bool {
	return slices.ContainsFunc(list, func(l Listen) bool { return l.Scheme == scheme || l.Scheme == "" })
}

// listen refuses an empty list, and one port that is taken twice.
func (v *validator) listen(key string, list []Listen) {
	if len(list) == 0 {
		v.fault(key, 0, "", "must have at least one address")
	}
	taken := map[string]bool{}
	for i, l := range list {
		socket := l.Address()
		if l.Scheme == "udp" {
			socket = "udp " + socket
		}
		if taken[socket] && l.Port != 0 {
			v.fault(key, i, l.String(), "uses an address and port that stand in the list before")
		}
		taken[socket] = true
	}
}

// plainHTTP keeps passwords off the wire: only Digest and trusted peers, which send
// none, have a use for plain HTTP from elsewhere.
func (v *validator) plainHTTP() {
	c := v.config.HTTP
	for i, l := range c.Listen {
		if l.Scheme == "http" && !l.IsLoopback() && len(c.Trusted) == 0 && len(c.Digest) == 0 {
			v.fault("http.listen", i, l.String(), "is plain HTTP that others can reach, where no password is taken: "+
				"use https://, or 127.0.0.1, or offer Digest in http.digest, or name the networks that need no password in http.trusted")
		}
	}
}

func (v *validator) digest() {
	list := v.config.HTTP.Digest
	for i, hash := range list {
		if slices.Contains(list[:i], hash) {
			v.fault("http.digest", i, hash.String(), "stands in the list before")
		}
	}
}

func (v *validator) tls() {
	c := v.config.HTTP.TLS
	switch {
	case c.Cert == "" && c.Key == "":
	case c.Key == "":
		v.fault("http.tls.key", 0, "", "is missing beside http.tls.cert")
	case c.Cert == "":
		v.fault("http.tls.cert", 0, "", "is missing beside http.tls.key")
	default:
		if _, err := tls.LoadX509KeyPair(c.Cert, c.Key); err != nil {
			v.fault("http.tls.cert", 0, c.Cert, "cannot be used with http.tls.key: "+err.Error())
		}
	}
}

// users tells the faults of the users file, each with its own place, and those of
// a list that was made in code.
func (v *validator) users() {
	c := v.config.Users
	var err error
	switch {
	case c.File != "" && len(c.Inline) > 0:
		v.fault("users.file", 0, c.File, "stands beside a list of users: give one of them")
	case v.config.withoutUsers:
	case c.File != "":
		_, err = users.Open(c.File, v.config.SIP.Domain)
	case v.config.places == nil: // else they were checked as they were read
		_, err = users.FromUsers(c.Inline, v.config.SIP.Domain)
	}
	var faults Faults
	switch {
	case errors.As(err, &faults):
		v.faults = append(v.faults, faults...)
	case err != nil:
		v.fault("users.file", 0, c.File, err.Error())
	}
}
