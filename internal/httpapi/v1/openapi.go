package v1

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"callcontroller/api"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
)

const description = `Makes two phones talk: the calling party's rings first, and when it is picked up, it is connected with the called party.

A call is placed with POST /v1/calls, which answers at once; GET /v1/calls/{id} tells how it stands. A user sees, places and ends the calls of which he is the agent; an administrator, and a peer in a trusted network, those of everybody. For anybody else's call the answer is 404, as if there were none.

Errors are problem documents (RFC 9457). Names that are not known are refused, in bodies and in queries. Answers may get further names: ignore those that you do not know.`

// register makes the routes, and gives the document that describes them. It has no
// routes of its own for documents and schemas: ServeHTTP serves the one.
func (h *handler) register() *huma.OpenAPI {
	setHooks()
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[problem](), reflect.TypeFor[api.Problem]())
	a := humago.New(h.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "callcontroller", Version: "1", Description: description},
			Tags: []*huma.Tag{
				{Name: tag, Description: "Calls, from the request until they are over."},
				{Name: eventsTag, Description: "What becomes of calls, as it happens."},
			},
			Components: &huma.Components{Schemas: schemas, SecuritySchemes: map[string]*huma.SecurityScheme{
				"digest": {Type: "http", Scheme: "digest", Description: "User name (or alias) and PIN, over HTTP and HTTPS (RFC 7616)."},
				"basic":  {Type: "http", Scheme: "basic", Description: "User name (or alias) and PIN, over HTTPS only (RFC 7617)."},
				"bearer": {Type: "http", Scheme: "bearer", Description: "A token of callcontroller token create, over HTTPS only (RFC 6750). Each operation names the scope that the token has to have; with the scope admin it acts for every agent."},
			}},
		},
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                mediaType,
		RejectUnknownQueryParameters: true,
	})
	h.registerCalls(a)
	h.registerChanges(a)
	h.registerStreams(a.OpenAPI())
	extensible(schemas)
	return a.OpenAPI()
}

// extensible lets answers get further names; what the client sends may have none.
func extensible(schemas huma.Registry) {
	sent := []string{"PlaceCall", "CallerID", "TransferCall"}
	for name, s := range schemas.Map() {
		if s.Type == huma.TypeObject && !slices.Contains(sent, name) {
			s.AdditionalProperties = true
		}
	}
}

const tag = "calls"

// operation is one with what all have in common. use is by which its scope is found, the
// statuses are those of its errors besides that.
func operation(use control.UseCase, method, path, id, summary, text string, success int, statuses ...int) huma.Operation {
	return huma.Operation{
		Security: []map[string][]string{{"digest": {}}, {"basic": {}}, {"bearer": use.Scope().Split()}},
		Method:   method, Path: httpapi.V1Path + path, OperationID: id, Summary: summary, Description: text, Tags: []string{tag}, DefaultStatus: success,
		BodyReadTimeout: -1, // ServeHTTP has read the body.
		Errors:          append(statuses, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests),
	}
}

func (h *handler) registerCalls(a huma.API) {
	const bad, conflict, tooLarge, unsupported, busy, missing = http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable, http.StatusNotFound
	huma.Register(a, operation(control.ToPlace, http.MethodPost, "calls", "placeCall", "Place a call",
		"The answer comes at once, before any phone rings: the call in it is the one that was begun. A call between the same parties is left alone.",
		http.StatusCreated, bad, conflict, tooLarge, unsupported, busy), h.place)
	huma.Register(a, operation(control.ToList, http.MethodGet, "calls", "listCalls", "List calls",
		"The calls that are not over and that you may see, the one placed first in front.",
		http.StatusOK), h.list)
	huma.Register(a, operation(control.ToSee, http.MethodGet, "calls/{id}", "getCall", "See a call",
		"The call as it stands.",
		http.StatusOK, missing), h.get)
	huma.Register(a, operation(control.ToEnd, http.MethodDelete, "calls/{id}", "endCall", "End a call",
		"Hangs up every leg, or stops what rings. In the state handed_off the parties talk without the server, and only its own leg ends.",
		http.StatusNoContent, missing), h.end)
	huma.Register(a, operation(control.ToCheck, http.MethodPost, "calls:check", "checkCall", "Ask whether a call may be placed",
		"Takes the request of a call and places none. It counts in no limit.",
		http.StatusOK, bad, tooLarge, unsupported), h.check)
}

func (h *handler) registerChanges(a huma.API) {
	const bad, conflict, tooLarge, unsupported, missing = http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusNotFound
	huma.Register(a, operation(control.ToTransfer, http.MethodPost, "calls/{id}/transfer", "transferCall", "Replace a party",
		"Calls the target, and puts it in the place of a party when it answers; the parties talk on until then, and also when it does not. The call has to be connected, with the method invite. The answer comes when the target's phone rings, after 5 seconds at the latest.",
		http.StatusAccepted, bad, missing, conflict, tooLarge, unsupported), h.transfer)
	huma.Register(a, operation(control.ToHold, http.MethodPost, "calls/{id}/hold", "holdCall", "Hold a call",
		"Stops the media of both parties. The call has to be connected, with the method invite.",
		http.StatusAccepted, missing, conflict), h.hold)
	huma.Register(a, operation(control.ToHold, http.MethodPost, "calls/{id}/resume", "resumeCall", "Resume a call",
		"Lets the parties of a call that is held talk again.",
		http.StatusAccepted, missing, conflict), h.resume)
}
