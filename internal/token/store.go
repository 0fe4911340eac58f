package token

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often Find looks, at most, whether the file has changed: what is
// revoked is found no longer than that.
const lookEvery = time.Second

// Store finds tokens. All its methods may be called at the same time.
type Store struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex // one look at the file at a time
	looked time.Time
	seen   os.FileInfo // as it was then; nil when there was no file
	failed string      // what the last look has met with, "" for nothing

	current atomic.Pointer[map[Hash]Token] // never changed after it is published
}

// Open reads the file at path; there need not be one. What goes wrong when it is read
// again later goes to log.
func Open(path string, log *slog.Logger) (*Store, error) {
	s := &Store{path: path, log: log}
	return s, s.Reload()
}

// Find gives the token of that hash, also one whose time is over.
func (s *Store) Find(hash Hash) (Token, bool) {
	s.look()
	t, ok := (*s.current.Load())[hash]
	return t, ok
}

// FindID gives the token of that ID, also one whose time is over.
func (s *Store) FindID(id string) (Token, bool) {
	s.look()
	for _, t := range *s.current.Load() {
		if t.ID == id {
			return t, true
		}
	}
	return Token{}, false
}

// Len is the number of tokens.
func (s *Store) Len() int { return len(*s.current.Load()) }

// Reload reads the file again. After an error the old tokens stay in force.
func (s *Store) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = time.Now()
	info, err := stat(s.path)
	if err == nil {
		err = s.take(info)
	}
	return err
}

// look reads the file again when it is another than the one that was read. A fault is
// told once, and the old tokens stay in force. Whoever comes meanwhile waits: it must not
// be let in by what is revoked already.
func (s *Store) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.looked) < lookEvery {
		return
	}
	s.looked = now
	info, err := stat(s.path)
	if err == nil && same(info, s.seen) {
		return
	}
	if err == nil {
		err = s.take(info)
	}
	s.tell(err)
}

func (s *Store) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case err == nil:
		s.log.Info("tokens reloaded", "tokens", s.Len())
	case text != s.failed:
		s.log.Error("tokens not reloaded: the old ones stay in force", "error", err)
	}
	s.failed = text
}

// take reads the file; s.mu is held. What is seen was so before the file was read: if it
// is written at the same time, the next look finds it changed.
func (s *Store) take(info os.FileInfo) error {
	s.seen = info
	entries, err := read(s.path)
	if err != nil {
		return err
	}
	next := make(map[Hash]Token, len(entries))
	for _, e := range entries {
		next[e.Hash] = e.Token
	}
	s.current.Store(&next)
	return nil
}

// stat gives nil when there is no file.
func stat(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file is no error: there are no tokens
	}
	return info, err
}

// same tells whether nobody has written the file in between: who replaces it makes
// another one, who writes into it changes time or size.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
