package v1

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/ladder"
)

// textType is that of a ladder for people.
const textType = "text/plain"

type ladderInput struct {
	ID     string `path:"id" doc:"Name of the call." example:"OCNBP4VZUCFD7UWR7FH55UIHXQ"`
	Format string `query:"format" enum:"json,text,full" default:"json" doc:"text: for people, one line a message, times in UTC; full: the same with the whole messages."`
}

// registerLadder makes the route of what has more than one form.
func (h *handler) registerLadder(a huma.API) {
	op := operation(control.ToSee, http.MethodGet, "calls/{id}/sip", "getMessages", "See the SIP messages of a call",
		"What was sent and received for the call's legs, in that order, with secrets masked, as far as the server still has it: memory is for the messages of recent calls only. 404 also when the server keeps none.",
		http.StatusOK, http.StatusNotFound)
	op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusOK): {Content: map[string]*huma.MediaType{
		mediaType: {Schema: a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Messages](), true, "")},
		textType:  {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(a, op, h.messages)
}

func (h *handler) messages(ctx context.Context, in *ladderInput) (*huma.StreamResponse, error) {
	if _, err := h.find(ctx, askedBy(ctx).principal, call.ID(in.ID)); err != nil {
		return nil, problemOf(ctx, err)
	}
	if h.Ladder == nil {
		return nil, &problem{Problem: httpapi.ProblemOf(http.StatusNotFound, "this server keeps no SIP messages")}
	}
	list := h.Ladder.Messages(in.ID)
	return &huma.StreamResponse{Body: func(c huma.Context) {
		kind, text := drawn(list, in.Format)
		c.SetHeader("Content-Type", kind)
		_, _ = c.BodyWriter().Write(text) // a client that is gone misses nothing
	}}, nil
}

// drawn gives a ladder in a form. Nothing of it can fail in memory.
func drawn(list []api.Message, format string) (kind string, text []byte) {
	var b bytes.Buffer
	kind = textType + "; charset=utf-8"
	switch format {
	case "text":
		_ = ladder.Print(&b, list, time.UTC)
	case "full":
		_ = ladder.PrintWhole(&b, list, time.UTC)
	default:
		kind = mediaType
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // SIP is full of angle brackets.
		_ = e.Encode(api.Messages{Messages: list})
	}
	return kind, b.Bytes()
}
