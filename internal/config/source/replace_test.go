package source_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"callcontroller/internal/config/source"
)

// What root makes belongs to whom the directory belongs to, and what he replaces to whom it
// belonged.
func TestReplaceFileOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	write := func(owner int) {
		t.Helper()
		if err := source.ReplaceFile(path, []byte("x")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != owner || info.Mode().Perm() != 0o600 {
			t.Errorf("owner %d, mode %s; want %d", got, info.Mode(), owner)
		}
	}
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Skip("this root cannot give files away: ", err)
	}
	write(1000)
	if err := os.Chown(path, 1001, 1001); err != nil {
		t.Fatal(err)
	}
	write(1001)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
