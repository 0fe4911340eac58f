// Package app puts the program together: it is the only package that knows all the
// others. It decides nothing about calls. The goroutines that it starts are those of
// what it starts: read loops, the timing wheel and the HTTP servers; Stop ends them
// all and waits for every one.
package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"callcontroller/internal/archive"
	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/config"
	"callcontroller/internal/control"
	"callcontroller/internal/directory/file"
	"callcontroller/internal/engine"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/httpapi/events"
	"callcontroller/internal/httpapi/legacy"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/journal"
	"callcontroller/internal/ladder"
	"callcontroller/internal/media"
	"callcontroller/internal/overload"
	"callcontroller/internal/policy"
	"callcontroller/internal/recorder"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
	"callcontroller/internal/tlscert"
	"callcontroller/internal/token"
)

// hangupLimit is how long Stop waits for the BYEs of calls that it hangs up: as long
// as a BYE is repeated (RFC 3261 timer F).
const hangupLimit = 32 * time.Second

// requestLimit is how long Stop waits for HTTP requests that are being answered.
const requestLimit = 5 * time.Second

// keyRoom is the memory for keys of Idempotency-Key, in bytes: some 60,000 of them.
const keyRoom = 64 << 20

// How many calls that are over the JSON interface still shows, and for how long.
const (
	archived    = 10_000
	archivedFor = 10 * time.Minute
)

// Options are what the configuration does not say. The zero value is usable.
type Options struct {
	Log     *slog.Logger                   // default: nothing is logged
	Version string                         // for User-Agent and Server
	Reread  func() (*config.Config, error) // gives the configuration anew, for Reload of users that stand in it
	Net     transport.Net                  // default: the system's network
}

// App is the running program.
type App struct {
	config    *config.Config
	options   Options
	log       *slog.Logger
	users     *file.Directory
	tokens    *token.Store
	audit     *audit.Log // nil when none is kept
	policy    *policy.Rules
	archive   *archive.Archive
	journal   *journal.Journal // nil when none is kept
	recorder  *recorder.Recorder
	events    *events.Handler   // nil without a journal
	restored  []*engine.Running // until they are resumed
	wheel     *timing.Wheel
	ua        *dialog.UA
	transport *transport.Layer
	ladder    *ladder.Ladder // nil when none is kept
	sink      *media.Sink
	own       digest.Credentials // the server's own SIP account
	engine    *engine.Engine
	control   *control.Control
	http      *httpapi.Server
	sip       []netip.AddrPort
	ready     atomic.Bool
	cleanups  cleanups
}

// Start starts everything, in order. When something fails, what was started is
// stopped again and the error names it.
func Start(ctx context.Context, c *config.Config, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &App{config: c, options: o, log: o.Log}
	for _, start := range []func(context.Context) error{a.startUsers, a.startTokens, a.startAudit, a.startPolicy, a.startJournal, a.startUA, a.startCalls, a.restore, a.startSIP, a.startHTTP, a.startWebhooks} {
		if err := start(ctx); err != nil {
			if undo := a.cleanups.run(context.WithoutCancel(ctx)); undo != nil {
				a.log.Error("clean-up after a failed start", "error", undo)
			}
			return nil, err
		}
	}
	a.ready.Store(true)
	a.log.Info("ready", "http", a.HTTP(), "sip", a.SIP(), "domain", c.SIP.Domain, "users", a.users.Len(), "tokens", a.tokens.Len())
	return a, nil
}

// HTTP gives the URLs at which the server listens.
func (a *App) HTTP() []string { return a.http.Addrs() }

// SIP gives the addresses at which the server listens, in the order of sip.listen.
func (a *App) SIP() []string {
	var list []string
	for i, l := range a.config.SIP.Listen {
		list = append(list, l.Scheme+"://"+a.sip[i].String())
	}
	return list
}

func (a *App) startUsers(context.Context) (err error) {
	u := a.config.Users
	if u.File != "" {
		a.users, err = file.Open(u.File, a.config.SIP.Domain)
	} else {
		a.users, err = file.FromUsers(u.Inline, a.config.SIP.Domain)
	}
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	for _, note := range a.users.Notes() {
		a.log.Warn(note)
	}
	return nil
}

func (a *App) startTokens(context.Context) (err error) {
	if a.tokens, err = token.Open(a.config.TokensFile(), a.log); err != nil {
		return fmt.Errorf("tokens.file: %w", err)
	}
	return nil
}

// startAudit opens the record of who called whom.
func (a *App) startAudit(context.Context) (err error) {
	c := a.config.Audit
	if !c.Enabled {
		return nil
	}
	if a.audit, err = audit.Open(cmp.Or(c.File, filepath.Join(a.config.Data, "audit.jsonl")), a.log); err != nil {
		return fmt.Errorf("audit.file: %w", err)
	}
	a.cleanups.push("audit", func(context.Context) error { return a.audit.Close() })
	return nil
}

// startPolicy makes the rules. One for nobody is most likely a mistake.
func (a *App) startPolicy(context.Context) error {
	a.policy = policy.New(policyOf(a.config))
	a.checkPolicy(a.config)
	return nil
}

func (a *App) checkPolicy(c *config.Config) {
	for name := range c.Policy.Users {
		if u, ok := a.users.Lookup(name); !ok || u.Name != name {
			a.log.Warn("policy.users has rules for a name that is no user's", "user", name)
		}
	}
}

func policyOf(c *config.Config) policy.Config {
	return policy.Config{Default: c.Policy.Default, Users: c.Policy.Users, Zone: c.Policy.Zone()}
}

func (a *App) startCalls(context.Context) error {
	a.engine = engine.New(a.signaller(), a.wheel, a.log)
	a.archive = archive.New(archived, archivedFor)
	a.recorder = recorder.New(a.store(), a.archive, a.wheel, a.log)
	a.engine.Record(a.recorder)
	a.control = control.New(control.Config{
		Engine: a.engine, Wheel: a.wheel, Directory: a.users, Domain: a.config.SIP.Domain, Log: a.log, Audit: a.audit,
		Policy: a.policy, Journal: a.mustWrite(), Refused: a.recorder.Refused, MaxRate: a.config.Limits.Rate,
		Hosts:    policy.NewHosts(a.config.SIP.Domain, hostList(a.config.Policy.Hosts)),
		FirstRow: a.config.Compat.FirstRow, ReferDelay: a.config.Refer.Delay, NotifyTimeout: a.config.Refer.NotifyTimeout, ReferLimit: a.config.Refer.Limit,
		Fallback: a.config.Refer.Fallback == config.FallbackInvite, MaxDuration: a.config.Limits.Duration, KeepAlive: a.config.SIP.KeepAlive, Automatic: a.config.SIP.Automatic, MaxRing: a.config.HTTP.MaxTimeout,
		MaxRows: a.config.Limits.Rows, MaxCalls: a.config.Limits.Calls, ReferredByCaller: a.config.Refer.ReferredBy == config.Caller,
	})
	return nil
}

func hostList(hosts []config.HostPort) []string {
	var list []string
	for _, h := range hosts {
		list = append(list, h.String())
	}
	return list
}

func (a *App) startHTTP(ctx context.Context) error {
	cert, err := a.certificate()
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	admit := overload.New(a.transport.Behind, a.log).Admit
	login := a.authenticator()
	modern, err := v1.New(v1.Config{Control: a.control, Auth: login, Audit: a.audit, Keys: a.keys(), Archive: a.archive, Streams: a.streams(), Ladder: a.messages()})
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	a.http = httpapi.New(httpapi.Config{
		Log: a.log, Cert: cert, Ready: a.unready, Admit: admit, Legacy: &legacy.Handler{Control: a.control, Auth: login, Audit: a.audit}, V1: modern,
		Origins: a.config.HTTP.Origins, Proxies: a.config.HTTP.Proxies,
		MaxConns: a.config.HTTP.Connections, MaxPerAddr: a.config.HTTP.ConnectionsPerAddress, OnStop: a.endStreams,
	})
	a.cleanups.push("HTTP", a.stopHTTP)
	for _, l := range a.config.HTTP.Listen {
		if err := a.http.Listen(ctx, l.Scheme, l.Address()); err != nil {
			return fmt.Errorf("http.listen %s: %w", l, err)
		}
	}
	return nil
}

// authenticator asks in the order in which clients should choose: most take the first
// challenge that they know (RFC 7616 section 3.7). A token stands in front since Bearer is
// asked of those only who came with one.
func (a *App) authenticator() auth.Authenticator {
	h := a.config.HTTP
	c := auth.Config{Realm: a.config.SIP.Realm, Users: a.users, Guard: auth.NewGuard(h.LoginFailures)}
	return auth.Chain{auth.NewTrusted(h.Trusted), auth.NewBearer(c, a.tokens), auth.NewDigest(c, h.Digest, h.DigestLegacy), auth.NewBasic(c)}
}

func (a *App) stopHTTP(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, requestLimit)
	defer stop()
	return a.http.Stop(ctx)
}

// certificate gives the TLS certificate when a listener needs one.
func (a *App) certificate() (tls.Certificate, error) {
	var hosts []string
	for _, l := range a.config.HTTP.Listen {
		if l.Scheme == "https" {
			hosts = append(hosts, l.Host)
		}
	}
	if hosts == nil {
		return tls.Certificate{}, nil
	}
	t := a.config.HTTP.TLS
	cert, made, err := tlscert.Load(t.Cert, t.Key, a.config.Data, append(hosts, a.config.SIP.Domain))
	if made {
		a.log.Info("made a self-signed certificate; give your own with http.tls.cert and http.tls.key", "data", a.config.Data)
	}
	return cert, err
}

// Reload reads users, policy and tokens anew, and goes on in a new audit file if the old
// was moved away. On an error the old ones stay in force; a mistake in the tokens does not
// keep the users back.
func (a *App) Reload() error {
	if err := a.audit.Reopen(); err != nil {
		return fmt.Errorf("audit.file: %w", err)
	}
	if err := errors.Join(a.reread(), a.rereadTokens()); err != nil {
		return err
	}
	a.audit.Record(audit.Entry{Event: audit.Reloaded})
	return nil
}

func (a *App) rereadTokens() error {
	if err := a.tokens.Reload(); err != nil {
		return fmt.Errorf("tokens.file: %w", err)
	}
	return nil
}

func (a *App) reread() error {
	c := a.config
	if a.options.Reread != nil {
		var err error
		if c, err = a.options.Reread(); err != nil {
			return err
		}
	}
	if err := a.rereadUsers(c); err != nil {
		return err
	}
	a.policy.Replace(policyOf(c))
	a.checkPolicy(c)
	return nil
}

// rereadUsers takes them from where they were taken at the start.
func (a *App) rereadUsers(c *config.Config) error {
	if a.config.Users.File != "" {
		return a.users.Reload()
	}
	return a.users.Replace(c.Users.Inline)
}

// Stop takes no more calls, lets the running ones end within drain.limit, hangs up
// those that are left, and stops everything. ctx may cut that short.
func (a *App) Stop(ctx context.Context) error {
	a.ready.Store(false)
	a.control.Drain()
	a.drain(ctx)
	return a.cleanups.run(context.WithoutCancel(ctx))
}

func (a *App) drain(ctx context.Context) {
	if a.wait(ctx, a.config.Drain.Limit) {
		return
	}
	a.log.Info("hanging up the calls that still run", "calls", a.engine.Len())
	a.engine.HangupAll(call.ByServer)
	if !a.wait(ctx, hangupLimit) {
		a.log.Warn("calls left without an answer to their BYE", "calls", a.engine.Len())
	}
}

func (a *App) wait(ctx context.Context, limit time.Duration) bool {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	return a.engine.Wait(ctx) == nil
}
