package app

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"callcontroller/internal/media"
	"callcontroller/internal/signalling"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// startUA starts the timers, the user agent and the sink. Nothing is received yet.
func (a *App) startUA(ctx context.Context) error {
	a.wheel = timing.New()
	a.cleanups.push("timers", func(context.Context) error { a.wheel.Close(); return nil })
	a.newUA()
	sink, err := media.Open(ctx, a.config.Media.Port)
	if err != nil {
		return err
	}
	a.sink = sink
	a.cleanups.push("media sink", func(context.Context) error { return sink.Close() })
	return nil
}

// startSIP starts the transports, and lets the calls go on that were restored.
func (a *App) startSIP(ctx context.Context) error {
	a.cleanups.push("SIP", func(context.Context) error { return a.transport.Close() })
	for _, l := range a.config.SIP.Listen {
		p, ok := transport.ParseProtocol(l.Scheme)
		if !ok {
			return fmt.Errorf("sip.listen %s: unknown transport", l)
		}
		addr, err := a.transport.Listen(ctx, p, l.Address())
		if err != nil {
			return fmt.Errorf("sip.listen %s: %w", l, err)
		}
		a.sip = append(a.sip, addr)
	}
	a.resume()
	return nil
}

// newUA joins transport and user agent, which know each other.
func (a *App) newUA() {
	c := &a.config.SIP
	advertise := ""
	if c.Advertise.Host != "" {
		advertise = c.Advertise.String()
	}
	a.transport = transport.New(transport.Config{
		Net: a.options.Net, Advertise: advertise, Log: a.log, Undelivered: func(data []byte) { a.ua.Undelivered(data) },
	}, a.receive)
	a.ua = dialog.New(dialog.Config{
		Transport: a.transport, Resolver: &transport.Resolver{}, Wheel: a.wheel, Log: a.log,
		UserAgent: strings.TrimSpace("callcontroller " + a.options.Version),
		Proxy:     c.Proxy, Domain: c.Domain, Allow: signalling.Methods, StrictSource: c.StrictSource,
	})
}

// receive hands a message to the user agent. A panic there costs this message, not
// the server: whatever a stranger sends, the calls of others go on.
func (a *App) receive(m *sip.Message, from transport.Source) {
	defer func() {
		if p := recover(); p != nil {
			a.log.Error("panic while a SIP message was handled", "peer", from.Addr.String(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	a.ua.Receive(m, from)
}

func (a *App) signaller() *signalling.Signaller {
	own := a.config.SIP.Account
	a.own = digest.Credentials{Username: own.Username, Password: own.Password, Realm: a.config.SIP.Realm}
	return signalling.New(signalling.Config{
		UA: a.ua, Account: a.account, SinkPort: a.sink.Port(), Wheel: a.wheel, SessionExpires: uint32(a.config.SIP.SessionExpires / time.Second), Sipx: a.config.SIP.Sipx, Log: a.log,
	})
}

// account gives the SIP credentials with which calls of a user are placed: his own,
// else the server's.
func (a *App) account(user string) *digest.Credentials {
	if u, ok := a.users.Lookup(user); ok && !u.SIP.IsZero() {
		return &digest.Credentials{Username: u.SIP.Username, Password: u.SIP.Password, HA1: u.SIP.HA1, Realm: a.config.SIP.Realm}
	}
	return &a.own
}
