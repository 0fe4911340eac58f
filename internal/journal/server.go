package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// startTimeout is how long the server in this process may take to read its files.
const startTimeout = time.Minute

// server is the NATS server in this process. It is the provider of its connections, so
// that a connection outlives a restart of the server.
type server struct {
	dir  string
	sync time.Duration
	log  *slog.Logger
	lock *os.File

	mu  sync.Mutex
	now *natsd.Server // nil while none runs

	mended atomic.Bool // it had something to say of its files
}

// open takes the directory and starts the server.
func (s *server) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	// The server itself has no lock: two of them would destroy the files.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a file descriptor is small
		return errors.Join(fmt.Errorf("%s: another process has its journal here: %w", s.dir, err), lock.Close())
	}
	s.lock = lock
	return s.start()
}

func (s *server) options() *natsd.Options {
	return &natsd.Options{
		ServerName: "journal", DontListen: true, NoSigs: true, NoSystemAccount: true,
		JetStream: true, StoreDir: s.dir, DisableJetStreamBanner: true,
		JetStreamMaxMemory: 16 << 20,
		JetStreamMaxStore:  1 << 50, // the stream has the limit; a full disk tells itself
		SyncInterval:       max(s.sync, 0),
		SyncAlways:         s.sync == SyncAlways,
	}
}

// start runs a new server on the files.
func (s *server) start() error {
	if err := s.checkWorkers(); err != nil {
		return err
	}
	n, err := natsd.NewServer(s.options())
	if err != nil {
		return err
	}
	l := &serverLog{log: s.log}
	n.SetLoggerV2(l, true, false, false)
	n.Start()
	if !n.ReadyForConnections(startTimeout) || !n.JetStreamEnabled() {
		n.Shutdown()
		n.WaitForShutdown()
		return fmt.Errorf("%s: the store does not start: %s", s.dir, l.all())
	}
	s.mended.Store(l.started())
	s.mu.Lock()
	s.now = n
	s.mu.Unlock()
	return nil
}

// restart runs a new server in place of one whose store has failed: it does not write
// again by itself, also when there is room on the disk again.
func (s *server) restart() error {
	s.shutdown()
	return s.start()
}

func (s *server) shutdown() {
	s.mu.Lock()
	n := s.now
	s.now = nil
	s.mu.Unlock()
	if n != nil {
		n.Shutdown()
		n.WaitForShutdown()
	}
}

func (s *server) close() {
	s.shutdown()
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

// InProcessConn makes a connection.
func (s *server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return nil, ErrDown
	}
	return s.now.InProcessConn()
}

// serverLog is where the NATS server logs: at debug level, but for what it finds wrong
// with its files when it starts, which is one line.
type serverLog struct {
	log *slog.Logger

	mu     sync.Mutex
	runs   bool
	faults []string // until it runs
}

// started tells in one line what was wrong, and whether anything was.
func (l *serverLog) started() (mended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs = true; len(l.faults) > 0 {
		l.log.Warn("journal: the store was not closed, or is damaged: what can be read is kept",
			"says", l.faults[0], "more", len(l.faults)-1)
	}
	return len(l.faults) > 0
}

func (l *serverLog) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.faults, "; ")
}

func (l *serverLog) wrongf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.runs {
		l.faults = append(l.faults, text)
		return
	}
	l.log.Debug("nats-server", "says", text)
}

func (l *serverLog) debugf(format string, v ...any) {
	l.log.Debug("nats-server", "says", fmt.Sprintf(format, v...))
}

// The methods of a logger of the NATS server. Fatalf does not end the process.

func (l *serverLog) Noticef(format string, v ...any) { l.debugf(format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.debugf(format, v...) }
func (l *serverLog) Tracef(format string, v ...any)  { l.debugf(format, v...) }
func (l *serverLog) Warnf(format string, v ...any)   { l.wrongf(format, v...) }
func (l *serverLog) Errorf(format string, v ...any)  { l.wrongf(format, v...) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.wrongf(format, v...) }
