package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"callcontroller/test/bench/load"
	"callcontroller/test/interop/lab"
)

// phoneAddresses are those of the calling and the called phones. The second and the third
// pair are for calls that are measured while others stand.
var phoneAddresses = [...][2]string{
	{"127.0.0.2:7001", "127.0.0.3:7002"},
	{"127.0.0.4:7003", "127.0.0.5:7004"},
	{"127.0.0.6:7005", "127.0.0.7:7006"},
}

// ourName is that of ours among the servers that are measured.
const ourName = "callcontroller"

// server is one that is measured.
type server struct {
	name    string
	process *lab.Process
	address string // of its HTTP
	token   string
}

// world is what all servers have in common.
type world struct {
	procs   *lab.Processes
	ports   *lab.Ports
	dir     string
	program string
	env     []string // of our program
	serial  int
}

//go:embed files/callcontroller.yaml.tmpl
var ourConfig string

//go:embed files/kamailio.cfg.tmpl
var kamailioConfig string

// config writes a configuration file into a directory of its own.
func (w *world) config(name, text string) (path, address string, err error) {
	w.serial++
	dir := filepath.Join(w.dir, strconv.Itoa(w.serial)+"-"+name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", "", err
	}
	port, err := w.ports.Take(2)
	if err != nil {
		return "", "", err
	}
	var b bytes.Buffer
	err = template.Must(template.New(name).Parse(text)).Execute(&b, map[string]any{
		"SIP": port, "HTTP": port + 1, "Phones": phoneAddresses,
	})
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, name)
	return path, net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)), os.WriteFile(path, b.Bytes(), 0o600)
}

// callcontroller starts ours.
func (w *world) callcontroller(ctx context.Context) (*server, error) { return w.start(ctx, w.program) }

// start starts a build of ours, anew and with nothing in its journal.
func (w *world) start(ctx context.Context, program string) (*server, error) {
	path, address, err := w.config("callcontroller.yaml", ourConfig)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	create := exec.CommandContext(ctx, program, "token", "create", "--config", path, "--agent", "bench", "--scope", "calls:write") //nolint:gosec // what was built
	create.Dir = dir
	token, err := create.Output()
	if err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	s := &server{name: ourName, address: address, token: string(bytes.TrimSpace(token))}
	s.process, err = w.procs.Start(lab.Spec{Log: filepath.Join(dir, "log"), Dir: dir, Env: w.env, Args: []string{program, "serve", "--config", path}})
	return s, w.ready(ctx, s, err)
}

// kamailio starts the peer.
func (w *world) kamailio(ctx context.Context) (*server, error) {
	path, address, err := w.config("kamailio.cfg", kamailioConfig)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	s := &server{name: "Kamailio", address: address}
	s.process, err = w.procs.Start(lab.Spec{
		Log: filepath.Join(dir, "log"), Dir: dir,
		Args: []string{"kamailio", "-f", path, "-DD", "-E", "-m", "1024", "-M", "16", "-w", dir, "-Y", dir},
	})
	return s, w.ready(ctx, s, err)
}

// ready waits until a server that was started takes connections.
func (w *world) ready(ctx context.Context, s *server, err error) error {
	if err == nil {
		err = lab.Poll(ctx, func() error {
			if err := s.process.Err(); err != nil {
				return err
			}
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
			if err != nil {
				return err
			}
			return conn.Close()
		})
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// api is how the server is asked for calls of a flow.
func (s *server) api(flow load.Flow) *load.API {
	if s.token == "" {
		return &load.API{Address: s.address, Path: "/RPC", Headers: "Content-Type: application/json\r\n", Body: bridge}
	}
	return &load.API{
		Address: s.address, Path: "/v1/calls",
		// A token is taken over TLS only: this comes from a reverse proxy that has done it.
		Headers: "Content-Type: application/json\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nAuthorization: Bearer " + s.token + "\r\n",
		Body: func(b []byte, _ int, caller, callee string) []byte {
			return fmt.Appendf(b, `{"caller":%q,"callee":%q,"agent":"bench","method":%q}`, caller, callee, flow)
		},
	}
}

// bridge is the request for dlg.bridge_dlg of Kamailio's dialog module: from, to, and no
// outbound proxy.
func bridge(b []byte, number int, caller, callee string) []byte {
	return fmt.Appendf(b, `{"jsonrpc":"2.0","id":%d,"method":"dlg.bridge_dlg","params":["sip:%s","sip:%s","."]}`, number, caller, callee)
}
