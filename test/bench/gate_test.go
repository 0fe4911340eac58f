package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
	"callcontroller/test/bench/load"
)

// What a call may cost, phones and load program included. Whoever makes it cheaper lowers
// the bound.
var bounds = []struct {
	flow load.Flow
	cost cost
}{
	{load.Refer, cost{allocations: 420, bytes: 56000}},
	{load.Invite, cost{allocations: 590, bytes: 90000}},
}

// cost is what one call allocates.
type cost struct{ allocations, bytes uint64 }

// TestCostOfCall holds what a call allocates on its whole way, from the request over HTTP
// to the last entry in the journal: it is the same on a fast machine and on a slow one.
func TestCostOfCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too: make check runs this test without it")
	}
	phones := openPhones(t)
	api := serve(t, phones, slog.New(slog.DiscardHandler))
	for _, b := range bounds {
		place(t, phones, api, b.flow, 500)
		got := place(t, phones, api, b.flow, 2000)
		t.Logf("%s: %d allocations, %d bytes", b.flow, got.allocations, got.bytes)
		if got.allocations > b.cost.allocations || got.bytes > b.cost.bytes {
			t.Errorf("a %s call costs %+v, at most %+v are allowed", b.flow, got, b.cost)
		}
	}
}

func openPhones(t testing.TB) *load.Phones {
	t.Helper()
	phones, err := load.Open(t.Context(), "127.0.0.2:0", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := phones.Close(); err != nil {
			t.Error(err)
		}
	})
	return phones
}

// serve starts the server in this process, with its journal on the disk.
func serve(t testing.TB, phones *load.Phones, log *slog.Logger) func(load.Flow) *load.API {
	t.Helper()
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm = "bench.test", "bench.test"
	c.SIP.Listen = []config.Listen{{Scheme: "udp", Host: "127.0.0.1"}}
	c.HTTP.Listen = []config.Listen{{Scheme: "http", Host: "127.0.0.1"}}
	c.HTTP.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	c.Users.Inline = []directory.User{{Name: "bench", Identity: "bench@bench.test", PIN: secret.New("unused")}}
	for _, address := range phones.Addresses() {
		c.Policy.Hosts = append(c.Policy.Hosts, config.HostPort{Host: address.Addr().String(), Port: int(address.Port())})
	}
	c.Data = t.TempDir()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), &c, app.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	s := &server{address: strings.TrimPrefix(a.HTTP()[0], "http://"), token: "none, the peer is trusted"}
	return s.api
}

// place places calls, ten at once, and gives what each has cost.
func place(t *testing.T, phones *load.Phones, api func(load.Flow) *load.API, flow load.Flow, n int) cost {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := phones.Run(t.Context(), load.Options{Flow: flow, API: api(flow), Calls: n, AtOnce: 10})
	runtime.ReadMemStats(&after)
	if r.Completed != n {
		t.Fatal(fmt.Sprintf("%d of %d calls are completed", r.Completed, n), r.Reasons)
	}
	return cost{(after.Mallocs - before.Mallocs) / uint64(n), (after.TotalAlloc - before.TotalAlloc) / uint64(n)}
}
