package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"

	"callcontroller/api"
	"callcontroller/internal/call"
)

// ProblemType is the media type of an api.Problem (RFC 9457).
const ProblemType = "application/problem+json"

// problemURN stands before the name of each type of problem.
const problemURN = "urn:callcontroller:problem:"

// ofKinds names the problems that the use cases know, ofStatuses those of HTTP.
var (
	ofKinds = [...]string{
		call.Internal:  "internal",
		call.Invalid:   "invalid",
		call.Denied:    "denied",
		call.NotAgent:  "not-agent",
		call.Missing:   "not-found",
		call.Conflict:  "conflict",
		call.Exhausted: "exhausted",
		call.Limited:   "limited",
		call.BadUser:   "bad-user",
		call.BadMethod: "bad-method",

		call.OutOfScope: "insufficient-scope",
	}
	ofStatuses = map[int]string{
		http.StatusBadRequest:            "invalid",
		http.StatusUnauthorized:          "unauthorized",
		http.StatusForbidden:             "denied",
		http.StatusNotFound:              "not-found",
		http.StatusMethodNotAllowed:      "method-not-allowed",
		http.StatusConflict:              "conflict",
		http.StatusRequestEntityTooLarge: "too-large",
		http.StatusUnsupportedMediaType:  "media-type",
		http.StatusUnprocessableEntity:   "invalid-fields",
		http.StatusTooManyRequests:       "limited",
		http.StatusInternalServerError:   "internal",
		http.StatusServiceUnavailable:    "exhausted",
	}
)

// ProblemOf makes the problem of an HTTP status; detail is for the user.
func ProblemOf(status int, detail string) api.Problem {
	p := api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	if name, ok := ofStatuses[status]; ok {
		p.Type = problemURN + name
	}
	return p
}

// ProblemOfError makes the problem of an error of the use cases. Of one that is a fault
// of ours the client learns nothing.
func ProblemOfError(err error) api.Problem {
	e, ok := errors.AsType[*call.Error](err)
	if !ok || e.Kind == call.Internal || int(e.Kind) >= len(ofKinds) {
		return ProblemOf(http.StatusInternalServerError, "internal error")
	}
	p := ProblemOf(Status(e.Kind), e.Text)
	p.Type, p.Rule = problemURN+ofKinds[e.Kind], e.Rule
	return p
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p api.Problem) {
	body, err := json.Marshal(p)
	if err != nil { // It has nothing but texts and numbers.
		Text(w, p.Status, p.Detail+"\n")
		return
	}
	h := w.Header()
	h.Set("Content-Type", ProblemType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone misses nothing
}

// refuse answers what never reaches an interface, in the form of that interface.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if isV1(RawPath(r.URL)) {
		WriteProblem(w, ProblemOf(status, text))
		return
	}
	Text(w, status, text+"\n")
}
