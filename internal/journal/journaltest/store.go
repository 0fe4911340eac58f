package journaltest

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"callcontroller/internal/journal"
)

// Embedded is a store in this process.
func Embedded(t *testing.T) Store {
	t.Helper()
	return Store{Config: journal.Config{Dir: t.TempDir()}}
}

// External is a nats-server of its own, on a port that was free. The test is skipped
// where the program is not there.
func External(t *testing.T) Store {
	t.Helper()
	s := StartServer(t)
	return Store{Config: journal.Config{Servers: []string{s.URL()}}, Stop: s.Kill, Start: s.Start}
}

// Server is a nats-server process.
type Server struct {
	t       *testing.T
	program string
	dir     string
	port    int
	process *exec.Cmd
	out     bytes.Buffer
}

// StartServer starts a server with an empty store. It ends with the test.
func StartServer(t *testing.T) *Server {
	t.Helper()
	if os.Getenv("INTEROP") == "off" {
		t.Skip("INTEROP=off: the tests against a real nats-server are not wanted here")
	}
	program, err := exec.LookPath("nats-server")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nats-server") // not on the path of an ordinary user of Debian
	}
	if err != nil {
		t.Skipf("nats-server is not installed (%v): run scripts/install-peers", err)
	}
	s := &Server{t: t, program: program, dir: t.TempDir(), port: -1}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// URL is where the server listens: for its whole life, once it has started.
func (s *Server) URL() string { return "nats://127.0.0.1:" + strconv.Itoa(s.port) }

// Start starts the server with what it had, and waits until it listens.
func (s *Server) Start() {
	s.t.Helper()
	ports := s.t.TempDir()
	s.process = exec.CommandContext(s.t.Context(), s.program, "-js", "-sd", s.dir, "-a", "127.0.0.1", "-p", strconv.Itoa(s.port),
		"--ports_file_dir", ports)
	s.process.Stderr = &s.out
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "nats-server listens", func() bool {
		files, _ := filepath.Glob(filepath.Join(ports, "*.ports"))
		if len(files) != 1 {
			return false
		}
		text, err := os.ReadFile(files[0])
		if err != nil || len(text) == 0 {
			return false
		}
		_, port, _ := strings.Cut(string(text), "127.0.0.1:")
		port, _, _ = strings.Cut(port, `"`)
		s.port, err = strconv.Atoi(port)
		return err == nil
	})
}

// Kill ends the server as SIGKILL does.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // it did not end well: it was killed
	s.process = nil
	if s.t.Failed() {
		s.t.Log(s.out.String())
		s.out.Reset()
	}
}

// Halt stops the server where it stands, until Continue: its connections stay.
func (s *Server) Halt() { s.signal(syscall.SIGSTOP) }

// Continue ends a Halt.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(number syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(number); err != nil {
		s.t.Fatal(err)
	}
}

// Log collects the lines that a journal logs, as text.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Logger logs to l what is at least a warning.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// Lines gives the lines that have come so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.text.String(), func(r rune) bool { return r == '\n' })
}
