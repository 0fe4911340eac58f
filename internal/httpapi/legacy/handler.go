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

	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/engine"
	"callcontroller/internal/httpapi"
)

// Control has the use cases that this interface can ask for. Its errors are
// *call.Error.
type Control interface {
	Place(context.Context, auth.Principal, control.PlaceRequest) (*engine.Running, error)
	Transfer(context.Context, auth.Principal, control.TransferRequest) error
	Status(context.Context, auth.Principal, control.StatusRequest) (*engine.Running, bool, error)
	Limits() control.Limits
}

// Handler answers everything below httpapi.LegacyPath and httpapi.RedirectPath.
// Control and Auth are set. The body limit is that of httpapi.NewHandler.
type Handler struct {
	Control Control
	Auth    auth.Authenticator
	Audit   *audit.Log // of refused log-ins; nil for no record
}

// ServeHTTP checks the form of the path first, then who asks, then the method: a
// stranger learns nothing but that he has to log in.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	path := httpapi.RawPath(r.URL)
	if rest, ok := strings.CutPrefix(path, httpapi.RedirectPath); ok {
		h.redirect(w, r, rest)
		return
	}
	rest, _ := strings.CutPrefix(path, httpapi.LegacyPath)
	parties, ok := splitPath(rest)
	if !ok {
		httpapi.NotFound(w, r)
		return
	}
	principal, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	if err := h.answer(w, r, principal, parties); err != nil {
		writeError(w, r, err)
	}
}

// answer does what the method asks for. When it gives an error, nothing is written yet.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, p auth.Principal, who parties) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return h.show(w, r, p, who)
	case http.MethodPost:
		return h.post(w, r, p, who)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
}

// authenticate tells who asks, or answers the request and returns false.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request) (auth.Principal, bool) {
	principal, err := httpapi.LogIn(r, h.Auth, h.Audit)
	if err != nil {
		h.unauthorized(w, r, err)
		return auth.Principal{}, false
	}
	return principal, true
}

// unauthorized answers a request without valid credentials. The text is the same
// whatever is wrong with them (CONTRACT 10.3 to 10.6).
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrInsecure) {
		httpapi.Text(w, http.StatusForbidden, err.Error())
		return
	}
	if slow, ok := errors.AsType[*auth.SlowDownError](err); ok {
		w.Header().Set("Retry-After", httpapi.Seconds(slow.After))
		httpapi.Text(w, http.StatusTooManyRequests, slow.Error())
		return
	}
	h.challenge(w, r, err, "pin mismatch")
}

// challenge answers 401, which has a challenge in any case (RFC 9110 section 15.5.2).
// err is what Authenticate gave.
func (h *Handler) challenge(w http.ResponseWriter, r *http.Request, err error, text string) {
	for _, challenge := range h.Auth.Challenge(r, err) {
		w.Header().Add("WWW-Authenticate", challenge)
	}
	httpapi.Text(w, http.StatusUnauthorized, text)
}

// parties are the two parties that a path names.
type parties struct{ calling, called string }

// splitPath takes the two parties out of what stands behind the prefix of a path: two
// segments that are not empty, and one "/" behind them if any. Each is decoded once,
// after it was split, so an escaped slash is part of a name.
func splitPath(rest string) (parties, bool) {
	first, second, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	if first == "" || second == "" || strings.Contains(second, "/") {
		return parties{}, false
	}
	calling, err := url.PathUnescape(first)
	called, err2 := url.PathUnescape(second)
	return parties{calling, called}, err == nil && err2 == nil
}
