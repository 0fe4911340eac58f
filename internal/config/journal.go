package config

import (
	"errors"
	"net/url"
	"strings"
)

func (c *Journal) fields() []field {
	return []field{
		one("journal.enabled", &c.Enabled, boolean),
		one("journal.max_age", &c.MaxAge, duration),
		one("journal.max_bytes", &c.MaxBytes, number(4<<20, 1<<50)),
		one("journal.required", &c.Required, boolean),
		many("journal.nats", &c.NATS, natsURL),
		one("journal.node", &c.Node, natsName),
		one("journal.replicas", &c.Replicas, number(1, 5)),
		one("journal.nats_user", &c.NATSUser, text),
		password("journal.nats_password", &c.NATSPassword),
		password("journal.nats_token", &c.NATSToken),
		filePath("journal.nats_credentials", &c.NATSCredentials),
		filePath("journal.nats_ca", &c.NATSCA),
	}
}

// natsURL takes the URL of a NATS server. How to log in has keys of its own, for a URL is
// printed.
func natsURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return s, errors.New("is not nats://HOST[:PORT] or tls://HOST[:PORT]")
	case u.User != nil:
		return s, errors.New("has a user in it; journal.nats_user and journal.nats_password are for that")
	}
	return s, nil
}

// natsName takes what may be part of a name in NATS.
func natsName(s string) (string, error) {
	if s == "" || len(s) > 32 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return s, errors.New("is not 1 to 32 letters, digits, - and _")
	}
	return s, nil
}

// journal checks what only makes sense together.
func (v *validator) journal(c *Journal) {
	if (c.NATSUser == "") != c.NATSPassword.IsEmpty() {
		v.fault("journal.nats_user", 0, "", "and journal.nats_password are set both, or neither")
	}
	ways := 0
	for _, set := range []bool{c.NATSUser != "", !c.NATSToken.IsEmpty(), c.NATSCredentials != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		v.fault("journal.nats", 0, "", "has several ways to log in: one of user and password, token, and credentials file is right")
	}
	if len(c.NATS) == 0 && (ways > 0 || c.NATSCA != "" || c.Replicas > 1) {
		v.fault("journal.nats", 0, "", "is empty, but keys that only such servers have a use for are set")
	}
}
