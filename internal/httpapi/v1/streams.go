package v1

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
)

const eventsTag = "events"

// registerStreams makes the routes of what answers without end, so not by huma, and
// describes them.
func (h *handler) registerStreams(o *huma.OpenAPI) {
	h.mux.HandleFunc("GET "+httpapi.V1Path+"events", h.events)
	h.mux.HandleFunc("GET "+httpapi.V1Path+"calls/{id}/events", h.callEvents)
	const bad, missing, full = http.StatusBadRequest, http.StatusNotFound, http.StatusServiceUnavailable
	all := operation(control.ToSee, http.MethodGet, "events", "followEvents", "Follow the events of all calls",
		"Server-sent events of the calls that you may see, as they happen, without end: what comes from now on, or behind an event that you have had. "+
			"With the fields of a WebSocket handshake (RFC 6455) the answer is a WebSocket, with one event a text message.",
		http.StatusOK, bad, missing, full)
	all.Parameters = append(filters(), text("query", "agent", "Of calls on behalf of this user."), text("query", "call", "Of the call with this name."))
	one := operation(control.ToSee, http.MethodGet, "calls/{id}/events", "followCall", "Follow the events of a call",
		"Server-sent events of one call, from its first one or behind one that you have had. The answer ends after call.ended; it is 204 when there is nothing behind the event that you have had, and never will be. "+
			"With the fields of a WebSocket handshake (RFC 6455) the answer is a WebSocket, with one event a text message.",
		http.StatusOK, bad, missing, full)
	one.Parameters = append(filters(), &huma.Param{Name: "id", In: "path", Required: true, Description: "Name of the call.", Example: "OCNBP4VZUCFD7UWR7FH55UIHXQ", Schema: &huma.Schema{Type: huma.TypeString}})
	describe(o, &all)
	describe(o, &one)
	one.Responses[strconv.Itoa(http.StatusNoContent)] = &huma.Response{Description: "Nothing more will come"}
}

// filters are what both streams can be asked with.
func filters() []*huma.Param {
	explode := true
	var types []any
	for _, t := range api.EventTypes() {
		types = append(types, t)
	}
	return []*huma.Param{
		text("header", "Last-Event-ID", "Id of the last event that you have had: the next one comes first. It goes before after."),
		text("query", "after", "The same, for who cannot send the field. 0: from the oldest event that is kept on."),
		{
			Name: "type", In: "query", Description: "Events of this type; may come several times.", Explode: &explode,
			Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, Enum: types}},
		},
	}
}

func text(in, name, doc string) *huma.Param {
	return &huma.Param{Name: name, In: in, Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
}

// describe puts an operation into the document, with its answers.
func describe(o *huma.OpenAPI, op *huma.Operation) {
	schemas := o.Components.Schemas
	event := &huma.Schema{
		Type: huma.TypeObject, Description: "Fields of an event. A gap has no id; its data is {\"after\": id, \"first\": id}. A frame that has an id only tells where the stream begins.",
		Properties: map[string]*huma.Schema{
			"id":    {Type: huma.TypeString, Description: "What Last-Event-ID takes."},
			"event": {Type: huma.TypeString, Description: "The type of the event, or gap: some that were asked for are no longer kept."},
			"data":  schemas.Schema(reflect.TypeFor[api.Event](), true, ""),
		},
	}
	op.Responses = map[string]*huma.Response{
		strconv.Itoa(http.StatusOK): {Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeArray, Items: event}},
		}},
		strconv.Itoa(http.StatusSwitchingProtocols): {Description: "A WebSocket, when it was asked for"},
	}
	for _, status := range op.Errors {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{
			httpapi.ProblemType: {Schema: schemas.Schema(reflect.TypeFor[api.Problem](), true, "")},
		}}
	}
	op.Tags = []string{eventsTag}
	o.AddOperation(op)
}

func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	if p, ok := h.listener(w, r); ok {
		h.Streams.OfAll(w, r, p)
	}
}

func (h *handler) callEvents(w http.ResponseWriter, r *http.Request) {
	p, ok := h.listener(w, r)
	if !ok {
		return
	}
	c, err := h.find(r.Context(), p, call.ID(r.PathValue("id")))
	if err != nil {
		problemOf(r.Context(), err).write(w)
		return
	}
	h.Streams.OfCall(w, r, p, c)
}

// listener gives who may listen to events, or answers the request.
func (h *handler) listener(w http.ResponseWriter, r *http.Request) (p auth.Principal, ok bool) {
	p = askedBy(r.Context()).principal
	if err := control.Permit(p, control.ToSee); err != nil {
		problemOf(r.Context(), err).write(w)
		return p, false
	}
	if h.Streams == nil {
		httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusNotFound, "this server keeps no events"))
		return p, false
	}
	return p, true
}
