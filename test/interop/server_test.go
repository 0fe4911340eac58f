package interop

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"callcontroller/test/interop/lab"
)

// pin is the HTTP password of every user.
const pin = "1234"

// settings are the keys of the configuration in which the tests differ.
type settings struct {
	proxy         string        // sip.proxy; empty: the lab's, over UDP
	trusted       string        // http.trusted; empty: nobody
	digest        string        // http.digest; empty: SHA-256 and MD5, the default
	notifyTimeout time.Duration // refer.notify_timeout; 0: 32 s, the default
	fallback      string        // refer.fallback; empty: invite, the default
	drainLimit    time.Duration // drain.limit; 0: 30 s, the default
}

// server is a callcontroller that runs.
type server struct {
	process *lab.Process
	http    string // URL of the plain listener
	https   string // URL of the listener with TLS
}

// buildBinary makes the program under test, with the race detector when the tests
// have it.
func buildBinary() (string, error) {
	binary := filepath.Join(bench.build, "callcontroller")
	return binary, lab.Build(filepath.Join("..", ".."), binary, raceFlags...)
}

// runServer starts callcontroller and waits until it says that it is ready. It
// ends with the test.
func runServer(t *testing.T, l *lab.Lab, s settings) *server {
	t.Helper()
	dir := newDir(t)
	ports, err := l.Ports().Take(3)
	if err != nil {
		t.Fatal(err)
	}
	sip, plain, tls := address(ports), address(ports+1), address(ports+2)
	config := filepath.Join(dir, "callcontroller.yaml")
	writeConfig(t, config, map[string]any{
		"Domain": lab.Domain, "SIP": sip, "HTTP": plain, "HTTPS": tls,
		"Proxy":   cmp.Or(s.proxy, "sip:"+l.Proxy().Address()),
		"Account": lab.ControllerUser, "AccountPassword": lab.Password(lab.ControllerUser),
		"Trusted": s.trusted, "Digest": cmp.Or(s.digest, "SHA-256, MD5"), "Users": users(l),
		"Fallback":      cmp.Or(s.fallback, "invite"),
		"NotifyTimeout": cmp.Or(s.notifyTimeout, 32*time.Second), "DrainLimit": cmp.Or(s.drainLimit, 30*time.Second),
	})
	srv := &server{process: runBinary(t, dir, "serve", "--config", config), http: "http://" + plain, https: "https://" + tls}
	within(t, patience, srv.ready)
	return srv
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// user is one of the list in the configuration.
type user struct{ Name, SIP string }

// users gives everybody in the lab an entry. Some have SIP credentials of their
// own, for the others the server uses its account.
func users(l *lab.Lab) []user {
	var list []user
	for _, name := range l.Users() {
		u := user{Name: name}
		if name == lab.BaresipB || name == lab.Linphone {
			u.SIP = fmt.Sprintf(", sip: {username: %q, password: %q}", name, lab.Password(name))
		}
		list = append(list, u)
	}
	return list
}

func writeConfig(t *testing.T, path string, data any) {
	t.Helper()
	text, err := template.ParseFiles(filepath.Join("testdata", "server.yaml.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(text.Execute(out, data), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// runBinary starts the program under test in dir. It ends with the test.
func runBinary(t *testing.T, dir string, args ...string) *lab.Process {
	t.Helper()
	binary, err := bench.binary()
	if err != nil {
		t.Fatal(err)
	}
	process, err := bench.procs.Start(lab.Spec{
		Log: filepath.Join(dir, "callcontroller.log"), Dir: dir, Args: append([]string{binary}, args...),
	})
	if err != nil {
		t.Fatal(err)
	}
	showOnFailure(t, "callcontroller", process.Log())
	t.Cleanup(func() {
		process.Stop()
		wantNoAlarm(t, process.Log())
	})
	return process
}

// wantNoAlarm wants that the Go runtime has found nothing wrong with a program.
func wantNoAlarm(t *testing.T, log string) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, alarm := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if _, after, found := strings.Cut(string(text), alarm); found {
			t.Errorf("callcontroller: %s%.3000s", alarm, after)
		}
	}
}

func (s *server) ready() error {
	if err := s.process.Err(); err != nil {
		return err
	}
	resp, err := http.Get(s.http + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	return nil
}
