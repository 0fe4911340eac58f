package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ReplaceFile puts a text in the place of a file, in one step: who reads it sees all of
// the old or all of the new. Mode and owner stay. A new file is for its owner only, who
// is that of the directory where that can be had: what root makes for a server that runs
// as somebody else, that server has to read. The path is no symbolic link.
func ReplaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
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

// likeOld gives the new file mode and owner of the old one, if there is one.
func likeOld(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ownerOf(f, filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	return errors.Join(ownerOf(f, path), f.Chmod(info.Mode().Perm()))
}

// ownerOf gives a file the owner of another. Who is not allowed to give files away, or
// cannot name that owner (user namespaces have EINVAL for it), owns it himself.
func ownerOf(f *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err = f.Chown(int(owner.Uid), int(owner.Gid))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
