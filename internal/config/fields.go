package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// field ties a key to its place in a Config. A value comes as text, from wherever
// it comes.
type field struct {
	key   string
	kind  kind
	check func(text string) error
	set   func(text string) error // sets the value, also after an error; a list gets one more
	clear func()
	show  func() any // a string, number, bool or list of strings, as YAML has it
}

type kind int

const (
	single kind = iota
	list
	path   // relative in a file means relative to that file
	hidden // a secret
)

// fields lists every key but those that have a form of their own: users, policy.users
// and webhooks.endpoints.
func (c *Config) fields() []field {
	const all = 1_000_000
	return slices.Concat([]field{
		one("sip.domain", &c.SIP.Domain, host),
		one("sip.proxy", &c.SIP.Proxy, proxyURI),
		many("sip.listen", &c.SIP.Listen, listenOn("udp", "tcp")),
		one("sip.advertise", &c.SIP.Advertise, advertised),
		one("sip.account.username", &c.SIP.Account.Username, text),
		password("sip.account.password", &c.SIP.Account.Password),
		one("sip.realm", &c.SIP.Realm, text),
		one("sip.keepalive", &c.SIP.KeepAlive, delay),
		one("sip.session_expires", &c.SIP.SessionExpires, sessionInterval),
		many("sip.automatic", &c.SIP.Automatic, text),
		one("sip.sipx", &c.SIP.Sipx, boolean),
		one("sip.strict_source", &c.SIP.StrictSource, boolean),
		one("media.port", &c.Media.Port, number(0, 65535)),
		one("log.level", &c.Log.Level, level),
		one("log.format", &c.Log.Format, oneOf(LogJSON, LogText, LogAuto)),
		many("http.listen", &c.HTTP.Listen, listenOn("https", "http")),
		many("http.trusted", &c.HTTP.Trusted, network),
		filePath("http.tls.cert", &c.HTTP.TLS.Cert),
		filePath("http.tls.key", &c.HTTP.TLS.Key),
		many("http.digest", &c.HTTP.Digest, digestHash),
		one("http.digest_legacy", &c.HTTP.DigestLegacy, boolean),
		one("http.login_failures", &c.HTTP.LoginFailures, number(0, all)),
		one("http.max_timeout", &c.HTTP.MaxTimeout, duration),
		many("http.proxies", &c.HTTP.Proxies, network),
		many("http.origins", &c.HTTP.Origins, origin),
		one("http.connections", &c.HTTP.Connections, number(1, all)),
		one("http.connections_per_address", &c.HTTP.ConnectionsPerAddress, number(1, all)),
		filePath("users.file", &c.Users.File),
		filePath("tokens.file", &c.Tokens.File),
		many("policy.hosts", &c.Policy.Hosts, hostPort),
		one("policy.timezone", &c.Policy.Timezone, timezone),
	}, policyFields("policy.default", &c.Policy.Default), []field{
		filePath("data", &c.Data),
		one("refer.delay", &c.Refer.Delay, delay),
		one("refer.notify_timeout", &c.Refer.NotifyTimeout, duration),
		one("refer.limit", &c.Refer.Limit, duration),
		one("refer.fallback", &c.Refer.Fallback, oneOf(FallbackInvite, FallbackOff)),
		one("refer.referred_by", &c.Refer.ReferredBy, oneOf(Agent, Caller)),
		one("compat.first_row", &c.Compat.FirstRow, boolean),
		one("limits.calls", &c.Limits.Calls, number(1, all)),
		one("limits.rate", &c.Limits.Rate, number(0, all)),
		one("limits.rows", &c.Limits.Rows, number(1, all)),
		one("limits.duration", &c.Limits.Duration, delay),
		one("drain.limit", &c.Drain.Limit, duration),
		one("audit.enabled", &c.Audit.Enabled, boolean),
		filePath("audit.file", &c.Audit.File),
	}, c.Journal.fields(), c.Webhooks.fields())
}

func one[T any](key string, to *T, parse func(string) (T, error)) field {
	return field{
		key:   key,
		check: checkOf(parse),
		set: func(text string) (err error) {
			*to, err = parse(text)
			return err
		},
		clear: func() { *to = *new(T) },
		show:  func() any { return shown(*to) },
	}
}

func many[T any](key string, to *[]T, parse func(string) (T, error)) field {
	return field{
		key:   key,
		kind:  list,
		check: checkOf(parse),
		set: func(text string) error {
			v, err := parse(text)
			*to = append(*to, v)
			return err
		},
		clear: func() { *to = nil },
		show: func() any {
			texts := []string{}
			for _, v := range *to {
				texts = append(texts, fmt.Sprint(shown(v)))
			}
			return texts
		},
	}
}

func checkOf[T any](parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		_, err := parse(text)
		return err
	}
}

func filePath(key string, to *string) field {
	f := one(key, to, text)
	f.kind = path
	return f
}

func password(key string, to *secret.Text) field { return hiddenText(key, to, checkOf(text)) }

func hiddenText(key string, to *secret.Text, check func(string) error) field {
	f := one(key, to, func(s string) (secret.Text, error) {
		if s == secret.Mask {
			return secret.Text{}, errors.New("is the mask that is printed in the place of a secret, not the secret")
		}
		return secret.New(s), check(s)
	})
	f.kind = hidden
	return f
}

// shown is a value as YAML has it.
func shown(v any) any {
	switch v := v.(type) {
	case slog.Level:
		return strings.ToLower(v.String())
	case fmt.Stringer:
		if s := v.String(); s != ":" { // an empty URI
			return s
		}
		return ""
	}
	return v
}

func text(s string) (string, error) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", errors.New("has a control character in it, such as a line break at its end")
	}
	return s, nil
}

func boolean(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

func number(low, high int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return 0, fmt.Errorf("must be a whole number from %d to %d", low, high)
		}
		return n, nil
	}
}

func level(s string) (l slog.Level, err error) {
	if _, err := oneOf("debug", "info", "warn", "error")(s); err != nil {
		return 0, err
	}
	return l, l.UnmarshalText([]byte(s))
}

func oneOf[T ~string](allowed ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		if slices.Contains(allowed, T(s)) {
			return T(s), nil
		}
		return "", fmt.Errorf("must be one of %q", allowed)
	}
}

// digestHash reads the token of an algorithm for which a PIN can be kept as an HA1.
func digestHash(s string) (rfc7616.Hash, error) {
	for _, hash := range []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5} {
		if s == hash.String() {
			return hash, nil
		}
	}
	return 0, fmt.Errorf("must be %s or %s", rfc7616.SHA256, rfc7616.MD5)
}

// delay is a duration that may be zero.
func delay(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil && d == 0 {
		return 0, nil
	}
	return duration(s)
}

// sessionInterval reads a session interval, which may be zero (RFC 4028 section 4).
func sessionInterval(s string) (time.Duration, error) {
	d, err := delay(s)
	if err == nil && d != 0 && d < 90*time.Second {
		return 0, errors.New("must be at least 90s, or 0 for none")
	}
	return d, err
}

// duration reads "1m30s" or whole seconds. It is never zero or negative.
func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if seconds, numErr := strconv.ParseUint(s, 10, 31); numErr == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d <= 0 {
		return 0, errors.New("must be a time above zero, such as 90s, 1m30s or 90 (seconds)")
	}
	return d, nil
}
