package load

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"callcontroller/api"
	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/test/interop/lab"
)

const (
	placers    = 32              // clients that place calls, each one after the other
	eventLimit = 5 * time.Minute // for everything; it is far less
)

// TestNoReaderMissesOrRepeats: 50 readers of the events of thousands of calls get the same
// events, those of each call as 1, 2, 3 up to its end. Some are so slow that the server
// drops them, one leaves and comes back all the time, and one comes when all is over. No
// file stays open.
func TestNoReaderMissesOrRepeats(t *testing.T) {
	w := newEventWorld(t)
	ctx, stop := context.WithTimeout(t.Context(), eventLimit)
	defer stop()
	readers := w.readers()
	var reading sync.WaitGroup
	for _, r := range readers {
		reading.Go(func() { r.run(ctx) })
	}
	for _, r := range readers {
		w.await(ctx, r.begun, r.name+" has not begun")
	}
	w.placeAll(ctx)
	first := readers[0]
	w.await(ctx, first.all, "not all calls have ended")
	late := w.reader(len(readers), "late", nil)
	readers = append(readers, late)
	reading.Go(func() { late.run(ctx) })
	for _, r := range readers {
		r.until(first.lastOf(r.types))
	}
	reading.Wait()
	for _, r := range readers {
		r.wantAll(t, first)
	}
	t.Logf("%d calls, %d events, %d readers", eventCalls, len(first.notes), len(readers))
	w.wantFilesClosed(ctx)
}

// eventWorld is the whole server on loopback, with its journal on the disk, and phones on
// a network in memory.
type eventWorld struct {
	*testing.T
	url   string
	ends  *ends
	files int // that are open before the first call
}

func newEventWorld(t *testing.T) *eventWorld {
	t.Helper()
	network := memnet.New(memnet.Options{})
	conn, err := network.Host(phoneAddr.Addr()).ListenPacket(t.Context(), phoneAddr.String())
	if err != nil {
		t.Fatal(err)
	}
	phone := &automaton{conn: conn, addr: phoneAddr, react: quick}
	var serving sync.WaitGroup
	serving.Go(func() { phone.serve(t) })
	w := &eventWorld{T: t, ends: newEnds(t)}
	server, err := app.Start(t.Context(), eventConfig(t), app.Options{Net: network.Host(serverAddr.Addr()), Log: slog.New(w.ends)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
		serving.Wait()
	})
	w.url, w.files = server.HTTP()[0], openFiles(t)
	return w
}

// openFiles counts the descriptors of this process.
func openFiles(tb testing.TB) int {
	tb.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(list)
}

// wantFilesClosed wants no connection to be left.
func (w *eventWorld) wantFilesClosed(ctx context.Context) {
	w.Helper()
	err := lab.Poll(ctx, func() error {
		if n := openFiles(w); n > w.files {
			return fmt.Errorf("%d files are open, %d were before the first call", n, w.files)
		}
		return nil
	})
	if err != nil {
		w.Error(err)
	}
}

// eventConfig lets everybody in who comes through the proxy that this test is, so that
// readers have addresses of their own.
func eventConfig(t *testing.T) *config.Config {
	t.Helper()
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm, c.SIP.Proxy = "example.com", "example.com", mustURI(t, "sip:"+phoneAddr.String())
	c.SIP.Listen = []config.Listen{{Scheme: "udp", Host: serverAddr.Addr().String(), Port: int(serverAddr.Port())}}
	c.HTTP.Listen = []config.Listen{{Scheme: "http", Host: "127.0.0.1"}}
	c.HTTP.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.HTTP.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, name := range []string{"201", "203"} {
		c.Users.Inline = append(c.Users.Inline, directory.User{Name: name, Identity: name + "@example.com", PIN: secret.New("1234")})
	}
	c.Data, c.Drain.Limit = t.TempDir(), time.Millisecond
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return &c
}

// quick is a phone that does everything at once: 203 is busy, all others answer, and
// report of a REFER that the called party has answered.
func quick(tb testing.TB, a *automaton, m *sip.Message, from netip.AddrPort) {
	tb.Helper()
	switch {
	case !m.IsRequest() || m.Method == sip.ACK:
	case m.Method == sip.INVITE && userOf(m) == "203":
		a.send(tb, a.answer(m, 486), from)
	case m.Method == sip.REFER:
		a.send(tb, a.answer(m, 202), from)
		a.send(tb, a.notify(m, 1, "terminated;reason=noresource", "SIP/2.0 200 OK"), from)
	default:
		a.send(tb, a.answer(m, 200), from)
	}
}

// orderOf is what is asked for by number i: of eight calls two are of INVITE mode, for a
// second, and one meets a busy phone.
func orderOf(i int) string {
	caller, more := "201", `"method":"refer"`
	switch i % 8 {
	case 0, 4:
		more = `"method":"invite","max_duration":1`
	case 1:
		caller = "203"
	}
	return fmt.Sprintf(`{"caller":"%s","callee":"202",%s,"metadata":{"number":"%d"}}`, caller, more, i)
}

// placeAll places all calls, as fast as the server takes them.
func (w *eventWorld) placeAll(ctx context.Context) {
	w.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: placers}}
	defer client.CloseIdleConnections()
	var placing sync.WaitGroup
	for p := range placers {
		placing.Go(func() {
			for i := p; i < eventCalls && ctx.Err() == nil; i += placers {
				for w.place(ctx, client, i) == http.StatusServiceUnavailable {
				}
			}
		})
	}
	placing.Wait()
}

// place asks for a call once. With 503 it has waited for as long as the server says.
func (w *eventWorld) place(ctx context.Context, client *http.Client, i int) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/v1/calls", strings.NewReader(orderOf(i)))
	if err != nil {
		w.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", "10.2.0.1")
	resp, err := client.Do(req)
	if err != nil {
		w.Error(err)
		return 0
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")); {
	case resp.StatusCode == http.StatusServiceUnavailable && seconds > 0:
		select {
		case <-time.After(time.Duration(seconds) * time.Second):
		case <-ctx.Done():
		}
	case err != nil || resp.StatusCode != http.StatusCreated:
		w.Errorf("call %d: %d %s, %v", i, resp.StatusCode, text, err)
		return 0
	}
	return resp.StatusCode
}

// await waits until a channel is closed.
func (w *eventWorld) await(ctx context.Context, done <-chan struct{}, otherwise string) {
	w.Helper()
	select {
	case <-done:
	case <-ctx.Done():
		w.Fatal(otherwise)
	}
}

// readers are those that are there before the first call. The first one is what the
// others are held to.
func (w *eventWorld) readers() (list []*reader) {
	add := func(n int, what string, change func(*reader)) {
		for range n {
			list = append(list, w.reader(len(list), what, change))
		}
	}
	add(1, "first", func(r *reader) { r.wantEnds = eventCalls })
	add(33, "steady", nil)
	add(4, "socket", func(r *reader) { r.socket = true })
	add(4, "slow", func(r *reader) { r.slow = true })
	add(1, "slow socket", func(r *reader) { r.slow, r.socket = true, true })
	add(1, "restless", func(r *reader) { r.restless = true })
	add(1, "restless socket", func(r *reader) { r.restless, r.socket = true, true })
	add(1, "busy only", func(r *reader) { r.types = []string{api.CallEnded} })
	add(2, "results", func(r *reader) { r.types = []string{api.CallEnded, api.CallConnected} })
	add(1, "results by socket", func(r *reader) { r.types, r.socket = []string{api.CallCreated, api.CallHandedOff}, true })
	add(1, "legs, slow", func(r *reader) { r.types, r.slow = []string{api.LegTrying, api.LegAnswered, api.LegEnded}, true })
	return list
}

// ends tells, from the log, when the server has ended the stream of a client. What else
// is a warning in the log fails the test.
type ends struct {
	t testing.TB

	mu    sync.Mutex
	chans map[string]chan struct{} // by the address of the client
}

func newEnds(tb testing.TB) *ends {
	tb.Helper()
	return &ends{t: tb, chans: map[string]chan struct{}{}}
}

// of gives what has one value for each stream of a client that has ended.
func (e *ends) of(client string) chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.chans[client] == nil {
		e.chans[client] = make(chan struct{}, 1000)
	}
	return e.chans[client]
}

// Enabled implements slog.Handler.
func (*ends) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// WithAttrs implements slog.Handler.
func (e *ends) WithAttrs([]slog.Attr) slog.Handler { return e }

// WithGroup implements slog.Handler.
func (e *ends) WithGroup(string) slog.Handler { return e }

// Handle implements slog.Handler.
func (e *ends) Handle(_ context.Context, r slog.Record) error {
	attrs := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	switch {
	case strings.HasPrefix(r.Message, "overload"): // of a machine with other work; who places calls waits
	case r.Level >= slog.LevelWarn:
		e.t.Errorf("the server logs %s %v", r.Message, attrs)
	case r.Message == "request" && attrs["path"] == "/v1/events":
		select {
		case e.of(attrs["client"]) <- struct{}{}:
		default: // Who comes and goes all the time does not look.
		}
	}
	return nil
}

// lastOf is the id of the last event that a reader of these types gets.
func (r *reader) lastOf(types []string) uint64 {
	for _, n := range slices.Backward(r.notes) {
		if len(types) == 0 || slices.Contains(types, n.kind) {
			return n.id
		}
	}
	return 0
}

// narrow is a connection with little room, so that a reader that stops is noticed. Much
// less than this would have TCP send byte by byte what is left when it reads again.
func narrow(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetReadBuffer(256 << 10)
}
