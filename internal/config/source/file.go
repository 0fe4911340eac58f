package source

import (
	"fmt"
	"io"
	"os"
)

// MaxFile is the largest file that ReadFile takes, in bytes: room for some 200,000
// users, and an end for a path that names a device.
const MaxFile = 32 << 20

// File is what ReadFile found.
type File struct {
	Text    []byte
	Exposed string // a sentence for the log when people other than the owner can read the file, else ""
}

// ReadFile reads a file that may hold secrets. Its errors name the file.
func ReadFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if info.IsDir() {
		return File{}, fmt.Errorf("read %s: it is a directory", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return File{}, err
	}
	if len(text) > MaxFile {
		return File{}, fmt.Errorf("read %s: it has more than %d bytes", path, MaxFile)
	}
	return File{Text: text, Exposed: exposure(path, info.Mode())}, nil
}

func exposure(path string, mode os.FileMode) string {
	if mode.Perm()&0o044 == 0 {
		return ""
	}
	return fmt.Sprintf("%s has mode %#o: people other than its owner can read the secrets in it; chmod 600 ends that",
		path, mode.Perm())
}
