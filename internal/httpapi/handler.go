package httpapi

import (
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// The paths below which Config.Legacy answers: the call controller's own, and the one
// by which the user portal of sipXecs passed requests on to it.
const (
	LegacyPath   = "/callcontroller/"
	RedirectPath = "/sipxconfig/rest/my/redirect/"
)

// The paths of Config.V1: the JSON interface, and what describes it.
const (
	V1Path          = "/v1/"
	OpenAPIJSONPath = "/openapi.json"
	OpenAPIYAMLPath = "/openapi.yaml"
)

// NewHandler makes what a Server serves with: the routes, and what every request
// goes through.
func NewHandler(c Config) http.Handler {
	c = c.withDefaults()
	mux := http.NewServeMux()
	mux.Handle("/healthz", readOnly{http.HandlerFunc(healthy)})
	mux.Handle("/readyz", readOnly{readiness{c.Ready}})
	mux.HandleFunc("/", NotFound)
	var h http.Handler = routes{legacy: guarded(c, c.Legacy), v1: guarded(c, c.V1), mux: mux}
	h = &logged{log: c.Log, next: recovered{log: c.Log, next: capped{h}}}
	if c.Admit != nil {
		h = shed{admit: c.Admit, next: h}
	}
	return h
}

// guarded puts what is asked before any credentials are around an interface.
func guarded(c Config, next http.Handler) http.Handler {
	if next == nil {
		return nil
	}
	return forwarded{proxies: c.Proxies, next: sameOrigin{allowed: c.Origins, next: next}}
}

// routes sends a request to who answers it. Paths are taken as they are: a mux would
// clean them and redirect, so that "/callcontroller/201/../202" would become another
// path on its way.
type routes struct {
	legacy http.Handler // nil for none, as is v1
	v1     http.Handler
	mux    *http.ServeMux
}

func (h routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch p := RawPath(r.URL); {
	case h.legacy != nil && isLegacy(p):
		h.legacy.ServeHTTP(w, r)
	case h.v1 != nil && isV1(p):
		h.v1.ServeHTTP(w, r)
	case strings.HasPrefix(p, "/") && p == path.Clean(p):
		h.mux.ServeHTTP(w, r)
	default:
		NotFound(w, r)
	}
}

func isLegacy(rawPath string) bool {
	return strings.HasPrefix(rawPath, LegacyPath) || strings.HasPrefix(rawPath, RedirectPath)
}

func isV1(rawPath string) bool {
	return strings.HasPrefix(rawPath, V1Path) || rawPath == OpenAPIJSONPath || rawPath == OpenAPIYAMLPath
}

// RawPath is the path as the client sent it, not decoded. url.URL.EscapedPath is not
// always that: it writes the path anew when the client did not escape all that it
// should have, and an escaped slash becomes a plain one.
func RawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// NotFound answers 404, and nothing about what there is.
func NotFound(w http.ResponseWriter, _ *http.Request) { Text(w, http.StatusNotFound, "not found\n") }

// Text answers with a line of plain text.
func Text(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain;charset=UTF-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a client that is gone misses nothing
}

// readOnly answers 405 to everything but GET and HEAD.
type readOnly struct{ next http.Handler }

func (h readOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		Text(w, http.StatusMethodNotAllowed, "method not allowed\n")
		return
	}
	h.next.ServeHTTP(w, r)
}

func healthy(w http.ResponseWriter, _ *http.Request) { Text(w, http.StatusOK, "ok\n") }

// readiness tells whether new calls are taken.
type readiness struct{ ready func() error }

func (h readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if h.ready != nil {
		if err := h.ready(); err != nil {
			Text(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
			return
		}
	}
	Text(w, http.StatusOK, "ready\n")
}
