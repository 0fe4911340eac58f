package v1

import (
	"context"
	"errors"
	"net/http"
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
)

type (
	placeInput struct {
		Key  string `header:"Idempotency-Key" doc:"A string of your choice, in double quotes: the same request with the same key places one call, however often it is sent within a day." example:"\"8e03978e-40d5-43dd-bc93-6894a57f9324\""`
		Body api.PlaceCall
	}
	placeOutput struct {
		Location string `header:"Location" doc:"Path of the call."`
		Replayed string `header:"Idempotent-Replayed" doc:"true: this is the answer to an earlier request with the same Idempotency-Key, and no further call was placed."`
		Body     api.Call
	}
	checkInput struct {
		Body api.PlaceCall
	}
	checkOutput struct {
		Body api.Check
	}
)

func placed(c api.Call) *placeOutput {
	return &placeOutput{Location: httpapi.V1Path + "calls/" + c.ID, Body: c}
}

// place starts a call, once for each Idempotency-Key.
func (h *handler) place(ctx context.Context, in *placeInput) (*placeOutput, error) {
	a := askedBy(ctx)
	if err := control.Permit(a.principal, control.ToPlace); err != nil { // An answer that is repeated does not come to Control.
		return nil, problemOf(ctx, err)
	}
	if len(a.keys) == 0 {
		return h.placeNow(ctx, "", in.Body)
	}
	key, err := readKey(a.keys)
	if err != nil {
		return nil, fieldProblem(http.StatusBadRequest, "header.Idempotency-Key", err.Error())
	}
	return h.placeOnce(ctx, nameOf(a.principal, key), in.Body)
}

// placeNow places a call, with that name unless it is "".
func (h *handler) placeNow(ctx context.Context, id call.ID, body api.PlaceCall) (*placeOutput, error) {
	r := requestOf(body)
	r.ID = id
	running, err := h.Control.Place(ctx, askedBy(ctx).principal, r)
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	return placed(callOf(running)), nil
}

// check tells whether a call may be placed. That it may not is an answer; a request that
// is wrong is an error.
func (h *handler) check(ctx context.Context, in *checkInput) (*checkOutput, error) {
	err := h.Control.Check(ctx, askedBy(ctx).principal, requestOf(in.Body))
	if err == nil {
		return &checkOutput{api.Check{Allowed: true}}, nil
	}
	switch kind := call.KindOf(err); httpapi.Status(kind) {
	case http.StatusForbidden, http.StatusTooManyRequests:
		if kind == call.OutOfScope { // It may not even ask.
			return nil, problemOf(ctx, err)
		}
	default:
		return nil, problemOf(ctx, err)
	}
	answer := api.Check{Reason: err.Error()}
	if e, ok := errors.AsType[*call.Error](err); ok {
		answer.Reason, answer.Rule = e.Text, e.Rule
	}
	return &checkOutput{answer}, nil
}

// methodAuto is REFER, and INVITE when the phone does not take that.
const methodAuto = "auto"

func requestOf(b api.PlaceCall) control.PlaceRequest {
	r := control.PlaceRequest{
		Method: b.Method, Agent: b.Agent, Calling: b.Caller, Called: b.Callee,
		Subject: b.Subject, ConfPIN: b.ConferencePIN, Forwarding: b.FollowForwards,
		Ring: seconds(b.RingTimeout), CalleeRing: seconds(b.CalleeTimeout), MaxDuration: seconds(b.MaxDuration),
		Metadata: b.Metadata, Beside: true,
	}
	if b.Method == methodAuto {
		r.Method, r.Auto = control.MethodRefer, true
	}
	if b.CallerID != nil {
		r.CallerShows, r.CalleeShows = b.CallerID.Caller, b.CallerID.Callee
	}
	return r
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
