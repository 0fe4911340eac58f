package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
)

// Build makes the program under test from the module at root, with flags of go build
// such as -race.
func Build(root, binary string, flags ...string) error {
	if err := dependOn(filepath.Join(root, "cmd"), filepath.Join(root, "internal"), filepath.Join(root, "api")); err != nil {
		return err
	}
	args := append([]string{"build"}, flags...)
	args = append(args, "-o", binary, "./cmd/callcontroller")
	build := exec.Command("go", args...) //nolint:gosec,noctx // the tests say what; it ends by itself
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build callcontroller: %w\n%s", err, out)
	}
	return nil
}

// dependOn looks at directories of the module, so that go test, which notes what a
// test opens, does not give an old result when the program has changed.
func dependOn(dirs ...string) error {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at the program's source: %w", err)
		}
	}
	return nil
}
