package lab

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"text/template"
)

//go:embed files
var files embed.FS

// missingPrograms names the programs of the lab that this machine lacks.
func missingPrograms() error {
	var missing []string
	for _, name := range []string{"kamailio", "baresip", "linphone-daemon", "sipp"} {
		if _, err := findProgram(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s; run scripts/install-peers, or set INTEROP=off to skip these tests",
			strings.Join(missing, ", "))
	}
	return nil
}

// findProgram finds a program on the path, or in /usr/sbin, which the path of an
// ordinary user of Debian lacks.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path, err := exec.LookPath("/usr/sbin/" + name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	return path, nil
}

// writeFile fills the template files/NAME with data and writes it to path.
func writeFile(path, name string, data any) error {
	text, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := text.Execute(out, data); err != nil {
		_ = out.Close() // the first error counts
		return fmt.Errorf("fill %s: %w", name, err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
