package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"callcontroller/internal/httpapi"
)

// TestShed: without time for new calls these are refused, in the form of their interface,
// and everything else goes on.
func TestShed(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := httpapi.NewHandler(httpapi.Config{Legacy: ok, V1: ok, Admit: func() bool { return false }})
	for _, c := range []struct {
		method, path string
		status       int
		form         string
	}{
		{"POST", "/v1/calls", 503, "application/problem+json"},
		{"POST", "/callcontroller/201/202?agent=201", 503, "text/plain"},
		{"POST", "/sipxconfig/rest/my/redirect/callcontroller/201/202", 503, "text/plain"},
		{"POST", "/callcontroller/201/202?agent=201&action=transfer&target=203", 204, ""},
		{"GET", "/callcontroller/201/202", 204, ""},
		{"GET", "/v1/calls", 204, ""},
		{"POST", "/v1/calls/ID/transfer", 204, ""},
		{"DELETE", "/v1/calls/ID", 204, ""},
		{"GET", "/healthz", 200, "text/plain"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, http.NoBody))
		if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), c.form) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, w.Code, w.Header().Get("Content-Type"), c.status, c.form)
		}
		if retry := w.Header().Get("Retry-After"); (retry == "1") != (c.status == http.StatusServiceUnavailable) {
			t.Errorf("%s %s: Retry-After %q", c.method, c.path, retry)
		}
	}
}
