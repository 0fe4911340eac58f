package token

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"callcontroller/internal/config/source"
	"callcontroller/internal/secret"
)

// List gives the tokens of the file at path, in the order in which they were made.
func List(path string) ([]Token, error) {
	entries, err := read(path)
	all := []Token{}
	for _, e := range entries {
		all = append(all, e.Token)
	}
	return all, err
}

// Create puts a new token into the file, and makes the file when there is none. Of t count
// agent, scopes, expiry and note. The text is the token itself, which nobody can get from
// the file again.
func Create(path string, t Token) (secret.Text, Token, error) {
	text := newText()
	t.ID, t.Created = newID(), time.Now().UTC().Truncate(time.Second)
	err := t.check()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = edit(path, func(entries []entry) ([]entry, error) {
			return append(entries, entry{Token: t, Hash: HashOf(text)}), nil
		})
	}
	if err != nil {
		return secret.Text{}, Token{}, err
	}
	return text, t, nil
}

// Revoke takes the token of that ID out of the file, and gives it.
func Revoke(path, id string) (t Token, err error) {
	err = edit(path, func(entries []entry) ([]entry, error) {
		i := slices.IndexFunc(entries, func(e entry) bool { return e.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no token %q in %s", id, path)
		}
		t = entries[i].Token
		return slices.Delete(entries, i, i+1), nil
	})
	return t, err
}

// edit changes the file. Who else edits it waits, so that no change is lost.
func edit(path string, change func([]entry) ([]entry, error)) (err error) {
	if path, err = target(path); err != nil {
		return err
	}
	unlock, err := lock(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	entries, err := read(path)
	if err != nil {
		return err
	}
	if entries, err = change(entries); err != nil {
		return err
	}
	if err := checkAll(entries); err != nil {
		return err
	}
	text, err := encode(entries)
	if err != nil {
		return err
	}
	return source.ReplaceFile(path, text)
}

// target is the file that a path leads to, if it is a symbolic link.
func target(path string) (string, error) {
	to, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return to, err
}

// lock waits until nobody else edits a file in the directory. The file itself cannot be
// what is locked, as each edit puts another one in its place. A process that ends lets go.
func lock(dir string) (unlock func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
	}
	return f.Close, nil
}
