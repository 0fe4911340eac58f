package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/policy"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/secret"
)

// startServer starts a server with phones around it for the rest of a script, and says in
// the environment where it is and who asks: 201. The phones 201, 202 and 207 answer, 203 is
// busy, 204 rings for ever, and nobody may call what begins with 0.
func startServer(ts *testscript.TestScript, _ bool, _ []string) {
	o := sandbox.Demo()
	o.Listen = "127.0.0.1:0"
	for i := range o.Phones {
		o.Phones[i].After, o.Phones[i].Talk = 20*time.Millisecond, 0
	}
	world, err := sandbox.Start(context.Background(), o)
	ts.Check(err)
	ts.Defer(func() { _ = world.Close() })
	account, _ := world.User(sandbox.DemoAccount)
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm, c.SIP.Proxy = sandbox.DemoDomain, sandbox.DemoDomain, world.URI()
	c.SIP.Listen = []config.Listen{{Scheme: "udp", Host: "127.0.0.1"}, {Scheme: "tcp", Host: "127.0.0.1"}}
	c.SIP.Account = config.Account{Username: account.Name, Password: account.Password}
	c.HTTP.Listen = []config.Listen{{Scheme: "https", Host: "127.0.0.1"}}
	c.Data, c.Drain.Limit = filepath.Join(ts.Getenv("WORK"), "data"), time.Millisecond
	for _, name := range []string{"201", "202", "203", "204", "207"} {
		c.Users.Inline = append(c.Users.Inline, directory.User{Name: name, PIN: secret.New("1234")})
	}
	outside, err := policy.ParsePattern("0*")
	ts.Check(err)
	c.Policy.Default.Called.Deny = []policy.Pattern{outside}
	ts.Check(c.Validate())
	server, err := app.Start(context.Background(), &c, app.Options{Log: slog.New(slog.DiscardHandler), Version: version})
	ts.Check(err)
	ts.Defer(func() { _ = server.Stop(context.Background()) })
	ts.Setenv(envServer, server.HTTP()[0])
	ts.Setenv(envInsecure, "true")
	ts.Setenv(envUser, "201")
	ts.Setenv(envPIN, "1234")
}
