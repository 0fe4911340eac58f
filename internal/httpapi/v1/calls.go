package v1

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/chronicle"
	"callcontroller/internal/control"
	"callcontroller/internal/engine"
)

type (
	callInput struct {
		ID string `path:"id" doc:"Name of the call." example:"OCNBP4VZUCFD7UWR7FH55UIHXQ"`
	}
	callOutput struct {
		Body api.Call
	}
	listInput struct {
		Agent  string `query:"agent" maxLength:"128" doc:"User on whose behalf it was placed."`
		Party  string `query:"party" maxLength:"512" doc:"Either party: user, or user@host."`
		State  string `query:"state" enum:"queued,calling_caller,caller_ringing,caller_answered,calling_callee,callee_ringing,handed_off,connected,transferring,ended"`
		Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"Most calls of the page."`
		Cursor string `query:"cursor" maxLength:"256" doc:"What next was on the page before."`
	}
	listOutput struct {
		Body api.Calls
	}
)

func callOf(r *engine.Running) api.Call { return chronicle.CallOf(r.Snapshot(), r.Dialog) }

func (h *handler) get(ctx context.Context, in *callInput) (*callOutput, error) {
	c, err := h.find(ctx, askedBy(ctx).principal, call.ID(in.ID))
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	return &callOutput{c}, nil
}

// find gives a call that the principal may see, also one that is over.
func (h *handler) find(ctx context.Context, p auth.Principal, id call.ID) (api.Call, error) {
	running, err := h.Control.Call(ctx, p, id)
	if err == nil {
		return callOf(running), nil
	}
	if h.Archive != nil && call.KindOf(err) == call.Missing {
		if c, ok := h.Archive.Find(ctx, id); ok && control.MaySee(p, c.Agent) {
			return c, nil
		}
	}
	return api.Call{}, err
}

// end hangs a call up; that it is asked for is all that the answer says.
func (h *handler) end(ctx context.Context, in *callInput) (*struct{}, error) {
	if err := h.Control.Hangup(ctx, askedBy(ctx).principal, call.ID(in.ID)); err != nil {
		return nil, problemOf(ctx, err)
	}
	return nil, nil //nolint:nilnil // no body: 204
}

func (h *handler) list(ctx context.Context, in *listInput) (*listOutput, error) {
	after, err := readCursor(in.Cursor)
	if err != nil {
		return nil, fieldProblem(http.StatusUnprocessableEntity, "query.cursor", err.Error())
	}
	all, err := h.Control.Calls(ctx, askedBy(ctx).principal, control.Filter{Agent: in.Agent, Party: in.Party, State: call.State(in.State)})
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	out := &listOutput{api.Calls{Calls: []api.Call{}}}
	for _, running := range all {
		at := cursor{running.Order().Placed, running.ID()}
		if !after.before(at) {
			continue
		}
		if len(out.Body.Calls) == in.Limit {
			out.Body.Next = after.String()
			break
		}
		out.Body.Calls = append(out.Body.Calls, callOf(running))
		after = at
	}
	return out, nil
}

// cursor is a place in the list of calls: behind the one that was placed then, with that
// name. It stays right when calls come and go.
type cursor struct {
	placed call.Stamp
	id     call.ID
}

func (c cursor) before(other cursor) bool {
	if c.placed != other.placed {
		return c.placed < other.placed
	}
	return c.id < other.id
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(int64(c.placed), 10) + " " + string(c.id)))
}

var errCursor = errors.New("it is not what next was on a page")

// readCursor reads one, and "" as the begin of the list.
func readCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor{}, errCursor
	}
	placed, id, ok := strings.Cut(string(raw), " ")
	n, err := strconv.ParseInt(placed, 10, 64)
	if err != nil || !ok {
		return cursor{}, errCursor
	}
	return cursor{call.Stamp(n), call.ID(id)}, nil
}
