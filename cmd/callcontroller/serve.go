package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/heap"
)

// configFlags say where the configuration comes from.
type configFlags struct {
	Config string            `short:"c" env:"CALLCONTROLLER_CONFIG" placeholder:"FILE" help:"Configuration file (YAML)."`
	Set    map[string]string `placeholder:"KEY=VALUE" mapsep:"none" help:"Override one key of the configuration, such as sip.domain=example.com. May be repeated."`
}

// load reads the configuration; without a file its faults come with a word of that,
// as most often it was forgotten.
func (f *configFlags) load() (*config.Config, error) { return f.loadBy(config.Load) }

func (f *configFlags) loadBy(load func(string, []string, map[string]string) (*config.Config, error)) (*config.Config, error) {
	c, err := load(f.Config, environment(), f.Set)
	if err != nil && f.Config == "" {
		return nil, fmt.Errorf("%w\nno file was read: name one with --config FILE", err)
	}
	return c, err
}

// notKeys are the variables that are flags of the command line and no keys of the
// configuration.
var notKeys = []string{"CALLCONTROLLER_CONFIG", envServer, envUser, envPIN, envToken, envCA, envInsecure}

// environment is the process environment without those.
func environment() []string {
	var kept []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains(notKeys, name) {
			kept = append(kept, v)
		}
	}
	return kept
}

type serve struct {
	configFlags
}

// Run runs the server until SIGTERM or SIGINT; SIGHUP reads users, policy and tokens anew.
func (s *serve) Run() error {
	cfg, err := s.load()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	log, flush := newLog(cfg, os.Stderr)
	defer flush()
	for _, note := range cfg.Notes() {
		log.Warn(note)
	}
	defer heap.Start(log).Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	a, err := app.Start(ctx, cfg, app.Options{Log: log, Version: version, Reread: s.load})
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			reload(a, log)
		case <-ctx.Done():
			stop() // A second signal ends the process at once.
			log.Info("stopping: no new calls, running ones are finished or hung up", "limit", cfg.Drain.Limit.String())
			err := a.Stop(context.Background())
			log.Info("stopped")
			return err
		}
	}
}

func reload(a *app.App, log *slog.Logger) {
	if err := a.Reload(); err != nil {
		log.Error("not reloaded: what has a mistake stays in force as it was", "error", err)
		return
	}
	log.Info("users, policy and tokens reloaded")
}

// newLog makes the log: text on a terminal, else one JSON object a line, unless the
// configuration says otherwise. flush writes what waits to be written.
func newLog(cfg *config.Config, f *os.File) (log *slog.Logger, flush func()) {
	b := &logBuffer{out: f}
	o := &slog.HandlerOptions{Level: cfg.Log.Level}
	text := cfg.Log.Format == config.LogText || cfg.Log.Format == config.LogAuto && term.IsTerminal(int(f.Fd()))
	if text {
		return slog.New(urgent{slog.NewTextHandler(b, o), b}), b.Flush
	}
	return slog.New(urgent{slog.NewJSONHandler(b, o), b}), b.Flush
}

type checkConfig struct {
	configFlags
}

// Run prints the configuration in force, or all its faults.
func (c *checkConfig) Run(out io.Writer) error {
	cfg, err := c.load()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	for _, note := range cfg.Notes() {
		fmt.Fprintln(os.Stderr, "note:", note)
	}
	return cfg.Dump(out)
}
