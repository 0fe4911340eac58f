package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"time"

	"github.com/icholy/digest"
)

// Option sets one thing of a new client.
type Option func(*settings)

type settings struct {
	authorization string            // the header field; "": none, or Digest
	digest        *digest.Transport // nil: no Digest
	roots         *x509.CertPool
	insecure      bool
}

// Basic sends user and password with each request (RFC 7617). New takes it for https only.
func Basic(user, password string) Option {
	return func(s *settings) {
		s.authorization, s.digest = "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)), nil
	}
}

// Digest answers the server's challenges (RFC 7616): the password itself is never sent.
func Digest(user, password string) Option {
	return func(s *settings) {
		s.authorization, s.digest = "", &digest.Transport{Username: user, Password: password}
	}
}

// Token sends a bearer token with each request (RFC 6750). New takes it for https only.
func Token(token string) Option {
	return func(s *settings) { s.authorization, s.digest = "Bearer "+token, nil }
}

// RootCAs are the authorities that may vouch for the server, in the place of the system's.
func RootCAs(pool *x509.CertPool) Option { return func(s *settings) { s.roots = pool } }

// Insecure takes any certificate: whoever is between here and the server can read and
// change everything, the password of Basic too.
func Insecure() Option { return func(s *settings) { s.insecure = true } }

const (
	connectLimit = 10 * time.Second // of a connection, and of its TLS handshake
	answerLimit  = 30 * time.Second // from the request to the head of the answer
	idleLimit    = 90 * time.Second // of a connection that is not in use
)

// transport is one of its own: closing this client closes nobody else's connections.
func (s *settings) transport() http.RoundTripper {
	plain := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectLimit}).DialContext,
		TLSHandshakeTimeout:   connectLimit,
		ResponseHeaderTimeout: answerLimit,
		IdleConnTimeout:       idleLimit,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       &tls.Config{RootCAs: s.roots, InsecureSkipVerify: s.insecure}, //nolint:gosec // It is off unless Insecure asks for it.
	}
	if s.digest == nil {
		return plain
	}
	s.digest.Transport = plain
	return s.digest
}
