package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// state is what is known of endpoints from earlier runs: that there was one, so that its
// worker can be deleted when it is gone, and that it is disabled. It is a small file: keys
// of the journal live for a day only.
type state struct {
	path string

	mu        sync.Mutex
	endpoints map[string]known
}

// known is what the file has of an endpoint.
type known struct {
	Configuration string    `json:"configuration"` // its fingerprint
	Disabled      time.Time `json:"disabled,omitzero"`
}

// readState reads the file. One that cannot be read is as good as none: what it costs is
// one more 410 of each endpoint that is disabled.
func readState(path string, log *slog.Logger) *state {
	s := &state{path: path, endpoints: map[string]known{}}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &s.endpoints)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("webhook: it is not known which endpoints are disabled", "error", err)
	}
	if s.endpoints == nil { // the file says null
		s.endpoints = map[string]known{}
	}
	return s
}

func (s *state) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.endpoints))
}

// disabled gives the time of the 410, if the endpoint is still configured as it was then.
func (s *state) disabled(name, fingerprint string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.endpoints[name]; k.Configuration == fingerprint {
		return k.Disabled
	}
	return time.Time{}
}

func (s *state) enable(name, fingerprint string) error {
	return s.put(name, known{Configuration: fingerprint})
}

func (s *state) disable(name, fingerprint string, at time.Time) error {
	return s.put(name, known{Configuration: fingerprint, Disabled: at.UTC().Truncate(time.Second)})
}

func (s *state) put(name string, k known) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints[name] == k {
		return nil
	}
	s.endpoints[name] = k
	return s.save()
}

func (s *state) drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.endpoints, name)
	return s.save()
}

// save replaces the file in one step.
func (s *state) save() error {
	text, err := json.MarshalIndent(s.endpoints, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".webhooks-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// fingerprint changes with all that is configured of an endpoint. The secrets in it are
// too long to be guessed from it.
func (e *Endpoint) fingerprint() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q", e.URL, e.Events, e.Agents)
	for _, s := range e.Secrets {
		fmt.Fprintf(sum, " %s", s.Text().Reveal())
	}
	return hex.EncodeToString(sum.Sum(nil))
}
