package interop

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/test/interop/lab"
)

// The commands of the README that place a call and show its steps.
const (
	readmePlace = "curl -k -X POST -u 201:1234 https://HOST:6666/callcontroller/201/202"
	readmeShow  = "curl -k -u 201:1234 https://HOST:6666/callcontroller/201/202"
)

func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{readmePlace, readmeShow} {
		if !strings.Contains(string(readme), command) {
			t.Errorf("the README lacks the command %s", command)
		}
	}

	l := useLab(t, lab.BaresipA, lab.BaresipB)
	server := runServer(t, l, settings{})
	if out := curl(t, server, readmePlace); out != "" {
		t.Errorf("%s prints %q, wanted nothing", readmePlace, out)
	}
	talkTogether(t, l, lab.BaresipA, lab.BaresipB)
	out := curl(t, server, readmeShow)
	var document statusDocument
	if err := xml.Unmarshal([]byte(out), &document); err != nil {
		t.Fatalf("%s prints %q: %v", readmeShow, out, err)
	}
	if err := answered.then("NOTIFY 100", "NOTIFY 200").match(document.Rows); err != nil {
		t.Error(err)
	}
	t.Logf("%s\n%s", readmeShow, out)
}

// curl runs a command of the README, with only the address replaced.
func curl(t *testing.T, server *server, command string) string {
	t.Helper()
	words := strings.Fields(strings.Replace(command, "https://HOST:6666", server.https, 1))
	run := exec.CommandContext(t.Context(), words[0], words[1:]...) //nolint:gosec // the command is a constant
	var progress strings.Builder
	run.Stderr = &progress
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, progress.String())
	}
	return string(out)
}
