// Package v1 speaks the JSON interface: /v1/calls and what is below it, described by the
// OpenAPI document that it serves. It turns JSON into requests of package control, and
// what comes back into JSON; it decides nothing about calls. Every error is a problem
// document (RFC 9457). It starts no goroutine.
//
// What a request means is read once: a name in a body or query that is unknown or comes
// twice is refused, and so is a path that could be written otherwise.
package v1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"callcontroller/api"
	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/engine"
	"callcontroller/internal/httpapi"
)

// Control has the use cases that this interface can ask for. Its errors are
// *call.Error.
type Control interface {
	Place(context.Context, auth.Principal, control.PlaceRequest) (*engine.Running, error)
	Check(context.Context, auth.Principal, control.PlaceRequest) error
	Call(context.Context, auth.Principal, call.ID) (*engine.Running, error)
	Calls(context.Context, auth.Principal, control.Filter) ([]*engine.Running, error)
	Hangup(context.Context, auth.Principal, call.ID) error
	TransferCall(ctx context.Context, p auth.Principal, id call.ID, replaced call.Leg, target string) (*engine.Running, error)
	Hold(ctx context.Context, p auth.Principal, id call.ID, leg call.Leg, off bool) (*engine.Running, error)
}

// Archive has the calls that are over.
type Archive interface {
	// Find gives a call by its name, whoever may see it.
	Find(ctx context.Context, id call.ID) (api.Call, bool)
}

// Streams answer with events, as they happen, to a GET or HEAD.
type Streams interface {
	// OfAll gives the events of all calls that the principal may see.
	OfAll(http.ResponseWriter, *http.Request, auth.Principal)
	// OfCall gives those of one call, which the principal may see, as it now stands.
	OfCall(http.ResponseWriter, *http.Request, auth.Principal, api.Call)
}

// Config is what the interface needs. Control, Auth and Keys are set.
type Config struct {
	Control Control
	Auth    auth.Authenticator
	Audit   *audit.Log // of refused log-ins; nil for no record
	Keys    Keys       // of the field Idempotency-Key
	Archive Archive    // nil: a call that is over is not found
	Streams Streams    // nil: there are no events
}

// handler answers everything below httpapi.V1Path, and the OpenAPI documents. The body
// limit is that of httpapi.NewHandler.
type handler struct {
	Config
	mux       *http.ServeMux
	documents map[string]document // by path
}

// document is a text that is the same for everybody.
type document struct {
	mediaType string
	text      []byte
}

// New makes the interface.
func New(c Config) (http.Handler, error) {
	h := &handler{Config: c, mux: http.NewServeMux()}
	o := h.register()
	text, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	yaml, err := o.YAML()
	if err != nil {
		return nil, err
	}
	h.documents = map[string]document{
		httpapi.OpenAPIJSONPath: {"application/openapi+json", text},
		httpapi.OpenAPIYAMLPath: {"application/openapi+yaml", yaml},
	}
	return h, nil
}

// ServeHTTP asks who it is first, then what there is: a stranger learns nothing but that
// he has to log in, and what the OpenAPI document says.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if d, ok := h.documents[httpapi.RawPath(r.URL)]; ok {
		serve(w, r, d)
		return
	}
	p, err := httpapi.LogIn(r, h.Auth, h.Audit)
	if err != nil {
		h.unauthorized(w, r, err)
		return
	}
	if !h.routed(w, r) {
		return
	}
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), askedKey{}, asked{p, r.Header.Values("Idempotency-Key")}))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Content-Type", mediaType)
	r.Header.Del("Accept") // There is one form of each answer.
	h.mux.ServeHTTP(w, r)
}

// serve answers with a document.
func serve(w http.ResponseWriter, r *http.Request, d document) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, r, "GET, HEAD")
		return
	}
	w.Header().Set("Content-Type", d.mediaType)
	_, _ = w.Write(d.text) // a client that is gone misses nothing
}

// routed tells whether there is what is asked for, or answers the request.
func (h *handler) routed(w http.ResponseWriter, r *http.Request) bool {
	p := httpapi.RawPath(r.URL)
	next, pattern := h.mux.Handler(r)
	switch {
	case p != path.Clean(p):
	case pattern != "":
		return true
	default:
		v := verdict{header: http.Header{}}
		next.ServeHTTP(&v, r)
		if v.status == http.StatusMethodNotAllowed {
			notAllowed(w, r, v.header.Get("Allow"))
			return false
		}
	}
	httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusNotFound, "there is nothing at this path; "+httpapi.OpenAPIJSONPath+" has all paths"))
	return false
}

func notAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusMethodNotAllowed, "the method "+clip(r.Method)+" is none of those that this path takes: "+allow))
}

// verdict takes what http.ServeMux says of a request for which there is no route.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }

// readBody gives the body, or answers the request and returns false.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, ok := httpapi.ReadBody(w, r)
	if !ok || len(body) == 0 {
		return nil, ok
	}
	if !isJSON(r.Header) {
		httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusUnsupportedMediaType, "the body has to be application/json, and Content-Type has to say so"))
		return nil, false
	}
	if name, ok := repeated(body); ok {
		httpapi.WriteProblem(w, fieldProblem(http.StatusUnprocessableEntity, "body", "the name "+strconv.Quote(clip(name))+" comes twice in one object").Problem)
		return nil, false
	}
	return body, true
}

// mediaType is that of bodies, both ways.
const mediaType = "application/json"

// isJSON tells whether a body says that it is JSON. It is UTF-8 in any case (RFC 8259
// section 8.1).
func isJSON(h http.Header) bool {
	given, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && given == mediaType
}

// unauthorized answers a request without valid credentials. The text is the same
// whatever is wrong with them.
func (h *handler) unauthorized(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrInsecure) {
		httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusForbidden, err.Error()))
		return
	}
	if slow, ok := errors.AsType[*auth.SlowDownError](err); ok {
		w.Header().Set("Retry-After", httpapi.Seconds(slow.After))
		httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusTooManyRequests, slow.Error()))
		return
	}
	for _, challenge := range h.Auth.Challenge(r, err) {
		w.Header().Add("WWW-Authenticate", challenge)
	}
	httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusUnauthorized, "log in with user name and PIN, or with a token"))
}

// asked is what an operation has to know of its request besides the input.
type asked struct {
	principal auth.Principal
	keys      []string // the fields Idempotency-Key as they were sent
}

type askedKey struct{}

// askedBy gives what ServeHTTP has found out.
func askedBy(ctx context.Context) asked {
	a, _ := ctx.Value(askedKey{}).(asked)
	return a
}

// clip keeps foreign text in answers short.
func clip(s string) string {
	const longest = 64
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
