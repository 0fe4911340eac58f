package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/secret"
)

// demoPIN is the HTTP password of every user of the demonstration.
const demoPIN = "1234"

type demo struct {
	SIPPort   int  `default:"5060" help:"Port of the demonstration's proxy; a free one when it is taken."`
	HTTPSPort int  `name:"https-port" default:"6666" help:"HTTPS port; a free one when it is taken."`
	HTTPPort  int  `name:"http-port" default:"6667" help:"HTTP port; a free one when it is taken."`
	Once      bool `help:"End after the calls."`
}

// Run shows a whole call in one process, and stays up for the visitor's own.
func (d *demo) Run(out io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	data, err := os.MkdirTemp("", "callcontroller-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()

	story := &story{out: out}
	world, err := d.startWorld(ctx, story)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	story.world = world
	server, err := d.startServer(ctx, world, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()

	story.intro(server)
	client := newCurl(story, server.HTTP()[0])
	defer client.http.CloseIdleConnections()
	for _, act := range []func(context.Context) error{client.placeCall, client.transferCall} {
		switch err := act(ctx); {
		case ctx.Err() != nil:
			return nil // The visitor has seen enough.
		case err != nil:
			return err
		}
	}
	if d.Once {
		return nil
	}
	story.invite(server)
	<-ctx.Done()
	return nil
}

// startWorld starts the proxy and the phones.
func (d *demo) startWorld(ctx context.Context, s *story) (*sandbox.Sandbox, error) {
	o := sandbox.Demo()
	o.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(d.SIPPort)))
	o.Trace, o.Event = s.message, s.event
	return sandbox.Start(ctx, o)
}

// startServer starts the server with the configuration that a user would write for
// this proxy.
func (d *demo) startServer(ctx context.Context, world *sandbox.Sandbox, data string) (*app.App, error) {
	account, _ := world.User(sandbox.DemoAccount)
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm, c.SIP.Proxy = sandbox.DemoDomain, sandbox.DemoDomain, world.URI()
	c.SIP.Listen = []config.Listen{{Scheme: "udp", Host: "127.0.0.1"}, {Scheme: "tcp", Host: "127.0.0.1"}}
	c.SIP.Account = config.Account{Username: account.Name, Password: account.Password}
	c.HTTP.Listen = []config.Listen{
		{Scheme: "https", Host: "127.0.0.1", Port: freePort(d.HTTPSPort)},
		{Scheme: "http", Host: "127.0.0.1", Port: freePort(d.HTTPPort)},
	}
	c.Data, c.Drain.Limit = data, time.Second
	for _, name := range []string{"201", "202", "203", "204", "205", "206", "207"} {
		c.Users.Inline = append(c.Users.Inline, directory.User{
			Name: name, DisplayName: "User " + name, Identity: name + "@" + sandbox.DemoDomain, PIN: secret.New(demoPIN),
		})
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return app.Start(ctx, &c, app.Options{Log: log, Version: version})
}

// freePort is the wanted port, or 0, by which the system picks one, when it is taken.
func freePort(port int) int {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	stream, err := net.Listen("tcp", address) //nolint:noctx // It is closed at once.
	if err != nil {
		return 0
	}
	defer stream.Close()
	datagrams, err := net.ListenPacket("udp", address) //nolint:noctx // As above.
	if err != nil {
		return 0
	}
	datagrams.Close()
	return port
}

// intro says what runs where.
func (s *story) intro(a *app.App) {
	s.print(fmt.Sprintf(`callcontroller demo: everything in this process, on this machine only.

  proxy and registrar   %s   (domain %s)
  simulated phones      201, 202 and 207 answer, 203 is busy, 204 rings for ever
  the server            %s

`, s.world.URI(), sandbox.DemoDomain, strings.Join(a.HTTP(), "   ")))
}

// invite says which commands to try.
func (s *story) invite(a *app.App) {
	https := a.HTTP()[0]
	s.print(fmt.Sprintf(`
Now it is your turn. The server stays up until you press Ctrl-C. Every user's PIN is %[1]s. Try:

  curl -k -X POST -u 201:%[1]s %[2]s/callcontroller/201/202     place a call
  curl -k -u 201:%[1]s %[2]s/callcontroller/201/202             how far it has come
  curl -k -X POST -u 201:%[1]s "%[2]s/callcontroller/201/202?sipMethod=INVITE"               the server stays in the call
  curl -k -X POST -u 201:%[1]s "%[2]s/callcontroller/201/202?action=transfer&target=207"     give it to 207
  curl -k -X POST -u 201:%[1]s %[2]s/callcontroller/201/203     the called party is busy
  curl -k -X POST -u 204:%[1]s "%[2]s/callcontroller/204/202?timeout=5"   the calling party does not answer
  curl -k -X POST -u 202:%[1]s "%[2]s/callcontroller/201/202?agent=202"   202 places the call for 201

Or register a softphone of your own: user 205, password %[3]s, domain %[4]s, proxy %[5]s. Then place a call from 205 to 202.
`, demoPIN, https, sandbox.DemoPassword("205"), sandbox.DemoDomain, strings.TrimPrefix(s.world.URI().String(), "sip:")))
}
