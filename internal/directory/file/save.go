package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"callcontroller/internal/config/source"
)

// Save puts the file in the place of the old one, in one step: a server that reads it
// sees all of the one or all of the other. Mode and owner stay; a new file is for its
// owner only. When somebody else has changed the file meanwhile, nothing is written.
func (e *Editor) Save() error {
	text, err := e.encode()
	if err != nil {
		return err
	}
	path, err := filepath.EvalSymlinks(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = e.path, nil
	}
	if err != nil {
		return err
	}
	if err := e.unchanged(); err != nil {
		return err
	}
	if err := replaceFile(path, text); err != nil {
		return err
	}
	e.text = text
	return nil
}

func (e *Editor) unchanged() error {
	read, err := source.ReadFile(e.path)
	if e.IsNew() && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if e.IsNew() || !bytes.Equal(read.Text, e.text) {
		return fmt.Errorf("%s was changed by somebody else meanwhile: nothing was written, try again", e.path)
	}
	return nil
}

// replaceFile writes beside the file, then renames.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".users-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, likeOld(f, path), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// likeOld gives the new file mode and owner of the old one, if there is one. Who is not
// allowed to give files away owns the new one.
func likeOld(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}
