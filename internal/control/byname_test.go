package control_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
)

// TestZ08AuditByName: who ends or transfers a call that he names is recorded too.
func TestZ08AuditByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l := controltest.New(t, func(c *control.Config) { c.Audit = log })
	id := mustPlace(t, l, user201, beside("202", nil))
	admin := auth.Principal{Name: "202", Admin: true}
	_ = l.TransferCall(t.Context(), auth.Principal{Name: "203"}, id, 0, "204")
	_ = l.TransferCall(t.Context(), admin, id, 0, "204")
	if err := l.Hangup(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	want := [][]string{
		{`"event":"call.placed"`, `"user":"201"`},
		{`"event":"transfer.refused"`, `"user":"203"`, `"target":"204"`, `there is no call`},
		{`"event":"transfer.refused"`, `"user":"202"`, `"target":"204"`, `not connected`},
		{`"event":"call.hung_up"`, `"user":"202"`, `"admin":true`, `"agent":"201"`, `"called":"202@example.com"`},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), text)
	}
	for i, parts := range want {
		for _, part := range append(parts, string(id)) {
			if !strings.Contains(lines[i], part) {
				t.Errorf("no %s in %s", part, lines[i])
			}
		}
	}
}
