package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/engine"
	"callcontroller/internal/httpapi/events"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/journal"
	"callcontroller/internal/recorder"
	"callcontroller/internal/stream"
)

// journalLimit is how long Start waits for the journal's store, and Stop for what is to
// be stored still.
const journalLimit = 10 * time.Second

// startJournal opens the log of what becomes of calls.
func (a *App) startJournal(ctx context.Context) (err error) {
	c := &a.config.Journal
	if !c.Enabled {
		return nil
	}
	store := journal.Config{
		Dir: filepath.Join(a.config.Data, "journal"), MaxAge: c.MaxAge, MaxBytes: int64(c.MaxBytes), Log: a.log,
		Servers: c.NATS, Node: c.Node, Replicas: c.Replicas,
		Credentials: journal.Credentials{User: c.NATSUser, Password: c.NATSPassword, Token: c.NATSToken, File: c.NATSCredentials},
	}
	if store.Credentials.TLS, err = trust(c.NATSCA); err != nil {
		return fmt.Errorf("journal.nats_ca: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, journalLimit)
	defer stop()
	if a.journal, err = journal.Open(ctx, store); err != nil {
		return err
	}
	a.cleanups.push("journal", func(ctx context.Context) error {
		ctx, stop := context.WithTimeout(ctx, journalLimit)
		defer stop()
		return a.journal.Close(ctx)
	})
	return nil
}

// trust believes certificates that those in the file sign; nil, the system's, for no file.
func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // the default of who uses it
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in it", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// store is the journal for who writes to it; nil for none.
func (a *App) store() recorder.Journal {
	if a.journal == nil {
		return nil
	}
	return a.journal
}

// mustWrite tells why the journal takes no new call; nil when it need not.
func (a *App) mustWrite() func() error {
	if a.journal == nil || !a.config.Journal.Required {
		return nil
	}
	return a.journal.Health
}

// unready tells why no new call is taken; nil when one is.
func (a *App) unready() error {
	if !a.ready.Load() {
		return errors.New("the server is starting or going down")
	}
	if health := a.mustWrite(); health != nil {
		return health()
	}
	return nil
}

// restore takes in the calls that the process before this one has left.
func (a *App) restore(ctx context.Context) error {
	if a.journal == nil {
		return nil
	}
	err := a.recorder.Restore(ctx, a.journal, a.engine, func(r *engine.Running) {
		a.control.Restore(r)
		if !r.Over() {
			a.restored = append(a.restored, r)
		}
	})
	if err != nil {
		return fmt.Errorf("journal: restore calls: %w", err)
	}
	a.openArchive()
	return nil
}

// resume lets them go on.
func (a *App) resume() {
	if n := len(a.restored); n > 0 {
		a.log.Info("calls of the process before this one go on, or are ended", "calls", n)
	}
	for _, r := range a.restored {
		a.engine.Resume(r)
	}
	a.restored = nil
}

// keys are those of Idempotency-Key.
func (a *App) keys() v1.Keys {
	if a.journal == nil {
		return v1.NewMemoryKeys(keyRoom)
	}
	return v1.NewJournalKeys(a.journal)
}

// openArchive lets the archive know what is in the journal, which may take a while.
func (a *App) openArchive() {
	a.background("archive", func(ctx context.Context) { a.archive.Open(ctx, a.journal) })
}

// background runs something until Stop.
func (a *App) background(name string, run func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	a.cleanups.push(name, func(context.Context) error {
		stop()
		<-done
		return nil
	})
}

// streams are what v1 answers with who follows events; nil for none.
func (a *App) streams() v1.Streams {
	if a.journal == nil {
		return nil
	}
	hub := stream.New(stream.Config{Journal: a.journal})
	a.cleanups.push("event hub", func(context.Context) error { hub.Close(); return nil })
	a.events = events.New(events.Config{Hub: hub, StillValid: func(p auth.Principal) bool { return auth.StillValid(a.users, a.tokens, p) }})
	return a.events
}

// endStreams ends what would not end by itself when the HTTP server stops.
func (a *App) endStreams() {
	if a.events != nil {
		a.events.Stop()
	}
}
