package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/httpapi"
)

// TestProblemOfEveryKind: each kind of error has a problem with its status and a name of
// its own; a fault of ours tells nothing.
func TestProblemOfEveryKind(t *testing.T) {
	seen := map[string]bool{}
	for k := call.Internal; k <= call.OutOfScope; k++ {
		p := httpapi.ProblemOfError(&call.Error{Kind: k, Text: "secret", Rule: "rule"})
		if p.Status != httpapi.Status(k) || seen[p.Type] || p.Title == "" || strings.Contains(p.Detail, "secret") == (k == call.Internal) {
			t.Errorf("kind %d: %+v", k, p)
		}
		seen[p.Type] = true
	}
	if p := httpapi.ProblemOfError(errors.New("secret")); p.Status != http.StatusInternalServerError || strings.Contains(p.Detail, "secret") {
		t.Errorf("%+v", p)
	}
}

func serve(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestHealth(t *testing.T) {
	ready := true
	h := httpapi.NewHandler(httpapi.Config{Ready: func() error {
		if !ready {
			return errors.New("no")
		}
		return nil
	}})
	for _, tt := range []struct {
		method, target string
		ready          bool
		status         int
		body           string
	}{
		{"GET", "/healthz", true, 200, "ok\n"},
		{"GET", "/readyz", true, 200, "ready\n"},
		{"GET", "/healthz", false, 200, "ok\n"},
		{"GET", "/readyz", false, 503, "not ready: no\n"},
		{"HEAD", "/readyz", true, 200, "ready\n"}, // net/http drops the body
		{"GET", "/readyz/", true, 404, "not found\n"},
		{"GET", "/healthz/../readyz", true, 404, "not found\n"},
		{"GET", "//healthz", true, 404, "not found\n"},
		{"GET", "/", true, 404, "not found\n"},
		{"POST", "/metrics", true, 404, "not found\n"},
		{"GET", "/callcontroller/201/202", true, 404, "not found\n"}, // there is no handler for it here
	} {
		ready = tt.ready
		w := serve(h, tt.method, tt.target)
		if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %d %v %q", tt.method, tt.target, w.Code, w.Header(), w.Body)
		}
	}
	if w := serve(h, "POST", "/readyz"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /readyz: %d %v", w.Code, w.Header())
	}
}

func TestStatus(t *testing.T) {
	for kind, want := range map[call.Kind]int{
		call.Internal: 500, call.Invalid: 400, call.Denied: 403, call.Missing: 404, call.Conflict: 409, call.Exhausted: 503,
		call.BadUser: 403, call.BadMethod: 406, call.OutOfScope: 403, 200: 500,
	} {
		if got := httpapi.Status(kind); got != want {
			t.Errorf("kind %d is %d, want %d", kind, got, want)
		}
	}
}

// TestZ20RequestLog: one line with fixed keys, and no query, which may have a PIN.
func TestZ20RequestLog(t *testing.T) {
	var log bytes.Buffer
	h := httpapi.NewHandler(httpapi.Config{
		Log: slog.New(slog.NewJSONHandler(&log, nil)),
		Legacy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			httpapi.SetUser(r.Context(), "201")
			if r.Method == http.MethodPost {
				httpapi.SetToken(r.Context(), "k7d2m4qa")
				httpapi.SetError(r.Context(), errors.New("out of luck"))
			}
			httpapi.Text(w, http.StatusTeapot, "tea")
		}),
	})
	serve(h, "GET", "/callcontroller/201/20%0a2?confpin=4711")
	serve(h, "POST", "/callcontroller/201/202")
	serve(h, "GET", "/healthz") // below the level
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || strings.Contains(log.String(), "4711") {
		t.Fatalf("the log is %s", log.String())
	}
	want := []string{
		`"level":"INFO","msg":"request","method":"GET","path":"/callcontroller/201/20%0a2","status":418,"bytes":3`,
		`"level":"ERROR","msg":"request","method":"POST","path":"/callcontroller/201/202","status":418,"bytes":3`,
	}
	for i, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || !strings.Contains(line, want[i]) {
			t.Errorf("line %d is %s (%v), want %s in it", i, line, err, want[i])
		}
		if entry["user"] != "201" || entry["peer"] != "192.0.2.1:1234" || (entry["error"] == "out of luck") != (i == 1) || (entry["token"] == "k7d2m4qa") != (i == 1) {
			t.Errorf("line %d is %s", i, line)
		}
	}
	// Outside a request nothing is noted, and nothing breaks.
	httpapi.SetUser(context.Background(), "201")
	httpapi.SetError(context.Background(), errors.New("x"))
}
