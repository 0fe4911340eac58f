package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/audit"
)

// TestZ08AuditTellsWhoCalledWhom: what was allowed and what was not, with the reason
// that the client was told, and no secret.
func TestZ08AuditTellsWhoCalledWhom(t *testing.T) {
	c := settings(t, world(t))
	a := start(t, c, io.Discard)
	for _, path := range []string{
		"/callcontroller/201/202?confpin=" + conference, "/callcontroller/201/202?agent=202", "/callcontroller/alice/x@evil.test?agent=201",
		"/callcontroller/201/203?action=transfer&target=202",
	} {
		ask(t, a, http.MethodPost, path)
	}
	ask(t, a, http.MethodGet, "/callcontroller/202/201")
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	stop(t, a)
	text, err := os.ReadFile(filepath.Join(c.Data, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if e.Event != audit.Reloaded && (e.User != "201" || e.Source.String() != "127.0.0.1") {
			t.Errorf("who or where from is wrong: %+v", e)
		}
		if (e.Call != "") != (e.Event == audit.CallPlaced) {
			t.Errorf("%s with the call %q", e.Event, e.Call)
		}
		got = append(got, strings.Join(slices.DeleteFunc([]string{e.Event, e.Agent, e.Calling, e.Called, e.Target, e.Method, e.Reason}, func(s string) bool { return s == "" }), " "))
	}
	want := []string{
		"call.placed 201 201 202 refer",
		"call.refused 202 201 202 refer Agent does not match principal",
		"call.refused 201 alice x@evil.test refer host evil.test of called party is not allowed",
		"transfer.refused 201 201 203 202 Call not found.",
		"status.refused 202 202 201 Agent does not match principal",
		"reloaded",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(text), conference) || strings.Contains(string(text), userPIN) {
		t.Errorf("a secret in %s", text)
	}
}
