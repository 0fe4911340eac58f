// Package httpapi owns the HTTP side: listeners, time and size limits, what every
// request goes through (log line, recovery, cap of the body), the routes, and the
// one table from an error to a status. It decides nothing about calls: the packages
// below it speak one interface each.
//
// It starts one goroutine for each listener, and net/http one for each connection;
// Stop ends them and waits.
package httpapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// What a client may take of us. The times are far above what a request needs that
// does no harm.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 40 * time.Second // from the end of the header: it must outlast a slow body
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 32 << 10
	defaultMaxConns   = 4096
	defaultMaxPerAddr = 256
)

// Config is what a Server needs.
type Config struct {
	Log     *slog.Logger    // default: nothing is logged
	Cert    tls.Certificate // for https
	Ready   func() error    // why no new call is taken, for /readyz; nil when one is; default: always ready
	Admit   func() bool     // whether there is time for a new call; nil: always
	Legacy  http.Handler    // everything below LegacyPath and RedirectPath
	V1      http.Handler    // everything below V1Path, and what describes it at OpenAPIJSONPath and OpenAPIYAMLPath
	Origins []string        // of web pages that may send requests besides our own, in lower case
	Proxies []netip.Prefix  // reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto are believed

	// OnStop is called by Stop when the listeners are closed, and waited for: it ends the
	// answers that would not end by themselves. It takes no longer than a moment.
	OnStop func()

	MaxConns   int // connections at once of each listener, more have to wait; default 4096
	MaxPerAddr int // connections at once of one address to one listener, more are closed; default 256; proxies are not counted
}

// Server listens on any number of addresses and answers the same on all. Use New.
type Server struct {
	config Config
	http   *http.Server
	ended  chan struct{} // closed when OnStop has returned

	mu      sync.Mutex
	addrs   []string
	serving sync.WaitGroup
}

// New makes a server that listens nowhere yet.
func New(c Config) *Server {
	c = c.withDefaults()
	// The old clients speak HTTP/1.1. HTTP/2 would let one connection carry any
	// number of requests past the cap on connections.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s := &Server{config: c, ended: make(chan struct{}), http: &http.Server{
		Handler:           NewHandler(c),
		Protocols:         &protocols,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.Cert}},
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// A stranger can cause these lines at will: nobody has to read them.
		ErrorLog:                     slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is an unknown path like any other
	}}
	s.http.RegisterOnShutdown(sync.OnceFunc(func() {
		defer close(s.ended)
		if c.OnStop != nil {
			c.OnStop()
		}
	}))
	return s
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.MaxConns = cmp.Or(c.MaxConns, defaultMaxConns)
	c.MaxPerAddr = cmp.Or(c.MaxPerAddr, defaultMaxPerAddr)
	return c
}

// Listen starts serving on an address "host:port"; with port 0 the system picks one.
// The scheme is "http" or "https". 0.0.0.0 takes IPv4 only, [::] both.
func (s *Server) Listen(ctx context.Context, scheme, address string) error {
	if scheme != "http" && scheme != "https" {
		return fmt.Errorf("scheme %q is neither http nor https", scheme)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network(address), address)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.addrs = append(s.addrs, scheme+"://"+l.Addr().String())
	s.mu.Unlock()
	l = newPerAddress(netutil.LimitListener(l, s.config.MaxConns), s.config.MaxPerAddr, s.config.Proxies)
	if scheme == "https" {
		l = tls.NewListener(l, s.http.TLSConfig)
	}
	s.serving.Go(func() { s.serve(strict{l}) })
	return nil
}

// network is "tcp4" for an IPv4 address, which Go's wildcard 0.0.0.0 would otherwise
// open for IPv6 too, and "tcp" for all else.
func network(address string) string {
	if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

func (s *Server) serve(l net.Listener) {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		s.config.Log.Error("HTTP listener ended", "address", l.Addr().String(), "error", err)
	}
}

// Addrs gives the URLs at which the server listens, without a slash at the end, in
// the order of the calls of Listen.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.addrs...)
}

// Stop closes the listeners and lets the requests end that are under way. When ctx
// ends before, their connections are closed and its error is returned.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.ended
	s.serving.Wait()
	return err
}
