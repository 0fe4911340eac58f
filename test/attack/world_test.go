package attack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"callcontroller/test/interop/lab"
)

// patience is how long anything may take that takes no time by itself.
const patience = 20 * time.Second

// Of the users of the server, and of what it must never show.
const (
	pin201     = "pin-of-201-7253"
	pin202     = "pin-of-202-9914"
	sipSecret  = "sip-secret-5521"
	conference = "conference-3377"
)

// world is the program, what stands around it, and the capture of what leaves.
type world struct {
	*testing.T
	procs   *lab.Processes
	dir     string
	program string
	server  *lab.Process
	sip     string       // address of the server's SIP side
	http    string       // address of its plain listener
	https   string       // address of its listener with TLS
	phones  *net.UDPConn // where the server's outbound proxy is
	bait    string       // an address that nobody may ever reach
	baits   chan string  // what has reached it
	capture *capture
	ports   int // the first of its ports
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, procs: lab.NewProcesses(), dir: t.TempDir(), baits: make(chan string, 100)}
	t.Cleanup(w.procs.Close)
	w.program = filepath.Join(w.dir, "callcontroller")
	if err := lab.Build(filepath.Join("..", ".."), w.program); err != nil {
		t.Fatal(err)
	}
	ports, err := lab.ClaimPorts()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Release() })
	if w.ports, err = ports.Take(5); err != nil {
		t.Fatal(err)
	}
	w.sip, w.http, w.https, w.bait = at(w.ports), at(w.ports+1), at(w.ports+2), at(w.ports+4)
	w.phones = w.listen(at(w.ports + 3))
	w.openBait()
	return w
}

func at(port int) string { return fmt.Sprint("127.0.0.1:", port) }

func (w *world) listen(address string) *net.UDPConn {
	w.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UDPConn) //nolint:forcetypeassert // that is what it is
}

// openBait listens where attacks want the server to go.
func (w *world) openBait() {
	udp := w.listen(w.bait)
	tcp, err := net.Listen("tcp", w.bait)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = tcp.Close() })
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			w.baits <- "a TCP connection"
			_ = conn.Close()
		}
	}()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, _, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			w.baits <- string(buf[:n])
		}
	}()
}

// serve starts the program with a configuration and waits until it is ready.
func (w *world) serve() {
	w.Helper()
	var config bytes.Buffer
	tmpl, err := template.ParseFiles(filepath.Join("testdata", "server.yaml.tmpl"))
	if err != nil {
		w.Fatal(err)
	}
	err = tmpl.Execute(&config, map[string]any{
		"SIP": w.sip, "HTTP": w.http, "HTTPS": w.https, "Proxy": w.phones.LocalAddr().String(),
		"PIN201": pin201, "PIN202": pin202, "SIPSecret": sipSecret,
	})
	if err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(w.dir, "callcontroller.yaml")
	if err := os.WriteFile(path, config.Bytes(), 0o600); err != nil {
		w.Fatal(err)
	}
	w.server, err = w.procs.Start(lab.Spec{Log: w.logFile(), Dir: w.dir, Args: []string{w.program, "serve", "--config", path}})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if w.Failed() {
			w.Logf("the server's log:\n%s", lab.TailFrom(w.logFile(), 0))
		}
	})
	w.within(w.alive)
}

func (w *world) logFile() string   { return filepath.Join(w.dir, "server.log") }
func (w *world) auditFile() string { return filepath.Join(w.dir, "data", "audit.jsonl") }

// alive is nil when the server runs and answers.
func (w *world) alive() error {
	if err := w.server.Err(); err != nil {
		return err
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + w.http + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	return nil
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

// text is what a file has.
func (w *world) text(path string) string {
	w.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
