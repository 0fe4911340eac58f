package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"callcontroller/internal/config/source"
)

// Save puts the file in the place of the old one, as source.ReplaceFile does. When
// somebody else has changed the file meanwhile, nothing is written.
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
	if err := source.ReplaceFile(path, text); err != nil {
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
