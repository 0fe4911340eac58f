package crash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"callcontroller/api"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/secret"
	"callcontroller/test/interop/lab"
)

// patience is how long anything may take that takes no time by itself.
const patience = 20 * time.Second

var program string // the built binary

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "callcontroller")
	if err := lab.Build(filepath.Join("..", ".."), program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world is the program, the proxy and phones around it, and what passes the proxy.
type world struct {
	*testing.T
	keeping

	sandbox *sandbox.Sandbox
	procs   *lab.Processes
	dir     string
	sip     string
	http    string
	server  *lab.Process
	config  string

	mu      sync.Mutex
	at      func(sandbox.Traced) bool // the point at which act is called; nil for none
	act     func()
	reached chan struct{} // closed when it was
	trace   []sandbox.Traced
}

// keeping is where the program has its journal.
type keeping struct {
	Data     string // the directory; "" for one of the test's own
	NATS     string // the URL of a server; "" for the journal's own
	Optional bool   // journal.required: false
}

func newWorld(t *testing.T, k keeping) *world {
	t.Helper()
	w := &world{T: t, keeping: k, procs: lab.NewProcesses(), dir: t.TempDir(), reached: make(chan struct{})}
	w.Data = cmp.Or(k.Data, filepath.Join(w.dir, "data"))
	t.Cleanup(w.procs.Close)
	ports, err := lab.ClaimPorts()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Release() })
	first, err := ports.Take(2)
	if err != nil {
		t.Fatal(err)
	}
	w.sip, w.http = fmt.Sprint("127.0.0.1:", first), fmt.Sprint("127.0.0.1:", first+1)
	w.startSandbox()
	w.writeConfig()
	t.Cleanup(func() {
		if t.Failed() {
			w.tell()
		}
	})
	w.serve()
	return w
}

// controllerPassword is that of the program's SIP account.
const controllerPassword = "sip-secret-5521"

func (w *world) startSandbox() {
	w.Helper()
	o := sandbox.Demo()
	o.Listen, o.Trace = "127.0.0.1:0", w.see
	for i := range o.Users {
		if o.Users[i].Name == sandbox.DemoAccount {
			o.Users[i].Password = secret.New(controllerPassword)
		}
	}
	for i := range o.Phones {
		o.Phones[i].After, o.Phones[i].Talk = 20*time.Millisecond, 0
	}
	var err error
	if w.sandbox, err = sandbox.Start(w.Context(), o); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = w.sandbox.Close() })
}

func (w *world) writeConfig() {
	w.Helper()
	tmpl, err := template.ParseFiles(filepath.Join("testdata", "server.yaml.tmpl"))
	if err != nil {
		w.Fatal(err)
	}
	var text bytes.Buffer
	err = tmpl.Execute(&text, map[string]any{
		"SIP": w.sip, "HTTP": w.http, "Proxy": w.sandbox.URI().String(), "Password": controllerPassword, "Journal": w.keeping,
	})
	if err != nil {
		w.Fatal(err)
	}
	w.config = filepath.Join(w.dir, "callcontroller.yaml")
	if err := os.WriteFile(w.config, text.Bytes(), 0o600); err != nil {
		w.Fatal(err)
	}
}

// serve starts the program and waits until it is ready.
func (w *world) serve() {
	w.Helper()
	var err error
	w.server, err = w.procs.Start(lab.Spec{Log: w.logFile(), Dir: w.dir, Args: []string{program, "serve", "--config", w.config}})
	if err != nil {
		w.Fatal(err)
	}
	w.within(func() error {
		if err := w.server.Err(); err != nil {
			return err
		}
		resp, err := client.Get("http://" + w.http + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	})
}

func (w *world) logFile() string { return filepath.Join(w.dir, "server.log") }

// see is told of each message that passes the proxy, before it goes on.
func (w *world) see(m sandbox.Traced) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, m)
	if w.at != nil && w.at(m) {
		w.at = nil
		w.act()
		close(w.reached)
	}
}

// killAt has the program killed when a message passes of which at says so.
func (w *world) killAt(at func(sandbox.Traced) bool) { w.actAt(at, w.kill) }

// actAt has something done when a message passes of which at says so.
func (w *world) actAt(at func(sandbox.Traced) bool, act func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.act = at, act
}

func (w *world) kill() {
	_ = w.server.Signal(syscall.SIGKILL) // a group that is gone is what is wanted
	<-w.server.Ended()
}

// seen counts the messages of which is says so.
func (w *world) seen(is func(sandbox.Traced) bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, m := range w.trace {
		if is(m) {
			n++
		}
	}
	return n
}

// tell logs what has passed the proxy and what the program has logged.
func (w *world) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	for _, m := range w.trace {
		fmt.Fprintln(&text, m.At.Format("05.000"), m.User, m)
	}
	w.Logf("the trace of the proxy:\n%s", text.String())
	log, err := os.ReadFile(w.logFile())
	lines := slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool { return strings.Contains(line, "msg=request") })
	w.Logf("the program's log (%v):\n%s", err, strings.Join(lines, "\n"))
}

// within polls until look is content.
func (w *world) within(look func() error) {
	w.Helper()
	ctx, stop := context.WithTimeout(w.Context(), patience)
	defer stop()
	if err := lab.Poll(ctx, look); err != nil {
		w.Fatal(err)
	}
}

// client is without keep-alive: what it talks to is killed.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// ask sends a request; an error is that of the connection.
func (w *world) ask(method, path, body string, fields ...string) (reply, error) {
	req, err := http.NewRequestWithContext(w.Context(), method, "http://"+w.http+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

// reply is what a request got.
type reply struct {
	status int
	header http.Header
	body   string
}

// call gives a call by the JSON interface.
func (w *world) call(id string) (api.Call, error) {
	var c api.Call
	got, err := w.ask(http.MethodGet, "/v1/calls/"+id, "")
	if err != nil {
		return c, err
	}
	if got.status != http.StatusOK {
		return c, fmt.Errorf("call %s: %d %s", id, got.status, got.body)
	}
	return c, json.Unmarshal([]byte(got.body), &c)
}

// place places a call by the old interface, without waiting for the answer: the
// program may be killed before there is one.
func (w *world) place(method string) {
	go func() {
		_, _ = w.ask(http.MethodPost, "/callcontroller/201/202?agent=201&sipMethod="+method, "")
	}()
}

// onHook wants the phones to be in no call.
func (w *world) onHook(users ...string) error {
	for _, user := range users {
		if calls := w.sandbox.Phone(user).Calls(); len(calls) > 0 {
			return fmt.Errorf("phone %s is in %d calls: %+v", user, len(calls), calls)
		}
	}
	return nil
}

// talking wants a phone to be in one call, and talking.
func (w *world) talking(users ...string) error {
	for _, user := range users {
		if calls := w.sandbox.Phone(user).Calls(); len(calls) != 1 || calls[0].State != sandbox.Talking {
			return fmt.Errorf("phone %s does not talk: %+v", user, calls)
		}
	}
	return nil
}
