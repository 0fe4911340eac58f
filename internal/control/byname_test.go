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
	"callcontroller/internal/token"
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
	admin := auth.Principal{Name: "202", Admin: true, Token: "k7d2m4qa", Scopes: token.CallsWrite}
	reader := auth.Principal{Name: "201", Token: "reader", Scopes: token.CallsRead}
	_, _ = l.TransferCall(t.Context(), auth.Principal{Name: "203"}, id, 0, "204")
	_, _ = l.TransferCall(t.Context(), admin, id, 0, "204")
	_, _ = l.TransferCall(t.Context(), reader, id, 0, "204")
	if err := l.Hangup(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	writer := auth.Principal{Name: "201", Token: "writer", Scopes: token.CallsWrite}
	if _, ok, err := l.Status(t.Context(), writer, control.StatusRequest{Calling: "201", Called: string(id)}); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
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
		{`"event":"transfer.refused"`, `"user":"201"`, `"token":"reader"`, `has not the scope calls:write`},
		{`"event":"call.hung_up"`, `"user":"202"`, `"admin":true`, `"token":"k7d2m4qa"`, `"agent":"201"`, `"called":"202@example.com"`},
		{`"event":"status.refused"`, `"token":"writer"`, `has not the scope calls:read`},
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
