package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// z20Secrets looks for every secret of the run in all that was written.
func z20Secrets(w *world) {
	for _, file := range []string{w.logFile(), w.auditFile()} {
		text := w.text(file)
		if len(text) == 0 {
			w.Errorf("%s is empty", file)
		}
		for _, secret := range []string{pin201, pin202, sipSecret, conference, "Authorization", "response=", "nonce="} {
			if strings.Contains(text, secret) {
				w.Errorf("%q stands in %s", secret, file)
			}
		}
	}
	if info, err := os.Stat(w.auditFile()); err != nil || info.Mode().Perm() != 0o600 {
		w.Errorf("the audit file: %v %v", info.Mode(), err)
	}
}

// z21Lines reads log and audit file: each line is one JSON object.
func z21Lines(w *world) {
	for _, file := range []string{w.logFile(), w.auditFile()} {
		n := 0
		for line := range strings.Lines(w.text(file)) {
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				w.Errorf("%v in %q", err, line)
			}
			if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\r\x00") {
				w.Errorf("control characters in %q", line)
			}
			n++
		}
		w.Log(fmt.Sprint(n, " lines in ", file))
	}
}
