// Package legacy speaks the HTTP interface of the sipXecs call controller, byte for
// byte: POST /callcontroller/{calling}/{called} places a call, GET tells each of its
// steps. It turns texts into requests of package control, and what comes back into
// the old documents; it decides nothing about calls. It starts no goroutine.
//
// What a request means is read once, in this package, and that reading is what is
// checked and what is done: the path is decoded exactly once, and a query that
// could be read in two ways is refused. testdata has the contract as frozen pairs
// of request and reply.
package legacy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
)

// Control has the use cases that this interface can ask for. Its errors are
// *call.Error.
type Control interface {
	Place(context.Context, auth.Principal, control.PlaceRequest) (call.ID, error)
	Transfer(context.Context, auth.Principal, control.TransferRequest) error
	Status(context.Context, auth.Principal, control.StatusRequest) (*call.Call, bool, error)
	Limits() control.Limits
}

// Handler answers everything below httpapi.LegacyPath. Both fields are set. The
// body limit is that of httpapi.NewHandler.
type Handler struct {
	Control Control
	Auth    auth.Authenticator
}

// ServeHTTP checks the form of the path first, then who asks, then the method: a
// stranger learns nothing but that he has to log in.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	calling, called, ok := splitPath(r.URL)
	if !ok {
		httpapi.NotFound(w, r)
		return
	}
	principal, err := h.Auth.Authenticate(r)
	if err != nil {
		h.unauthorized(w, r, err)
		return
	}
	httpapi.SetUser(r.Context(), principal.Name)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.show(w, r, principal, calling, called)
	case http.MethodPost:
		h.post(w, r, principal, calling, called)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// unauthorized answers a request without valid credentials. The text is the same
// whatever is wrong with them (CONTRACT 10.3 to 10.6).
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrInsecure) {
		httpapi.Text(w, http.StatusForbidden, auth.ErrInsecure.Error())
		return
	}
	if slow, ok := errors.AsType[*auth.SlowDownError](err); ok {
		w.Header().Set("Retry-After", seconds(slow.After))
		httpapi.Text(w, http.StatusTooManyRequests, slow.Error())
		return
	}
	for _, challenge := range h.Auth.Challenge(r, err) {
		w.Header().Add("WWW-Authenticate", challenge)
	}
	httpapi.Text(w, http.StatusUnauthorized, "pin mismatch")
}

// splitPath takes the two parties out of the path: two segments that are not empty,
// and one "/" behind them if any. Each is decoded once, after it was split, so an
// escaped slash is part of a name.
func splitPath(u *url.URL) (calling, called string, ok bool) {
	rest, ok := strings.CutPrefix(httpapi.RawPath(u), httpapi.LegacyPath)
	if !ok {
		return "", "", false
	}
	first, second, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	if first == "" || second == "" || strings.Contains(second, "/") {
		return "", "", false
	}
	calling, err := url.PathUnescape(first)
	called, err2 := url.PathUnescape(second)
	return calling, called, err == nil && err2 == nil
}
