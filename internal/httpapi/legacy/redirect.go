package legacy

import (
	"net/http"
	"strings"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/httpapi"
)

// redirect answers the path by which the user portal of sipXecs passed requests of a
// user on to the call controller (CONTRACT section 11). Here there is nobody to pass
// them on to: they are read and done as on the plain path, so what is checked is what
// is done (row Z04). What differs is how errors look. rest is the path behind
// httpapi.RedirectPath, as it was sent.
func (h *Handler) redirect(w http.ResponseWriter, r *http.Request, rest string) {
	principal, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	rest, known := strings.CutPrefix(rest, "callcontroller/")
	parties, ok := splitPath(rest)
	if !known || !ok {
		httpapi.Text(w, http.StatusNotFound, "No known resource was requested")
		return
	}
	if err := h.answer(w, r, principal, parties); err != nil {
		h.redirectError(w, r, err)
	}
}

// redirectError answers 401 to who names another agent, and tells of a refused POST
// nothing but the status (CONTRACT 11.1, 11.2).
func (h *Handler) redirectError(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case call.KindOf(err) == call.NotAgent:
		h.challenge(w, r, auth.ErrMissing, "Authenticated user does not match the agent that places the call, or the caller")
	case r.Method == http.MethodPost:
		status, _ := statusOf(r.Context(), w, err)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(status)
	default:
		writeError(w, r, err)
	}
}
