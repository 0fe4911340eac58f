package v1

import (
	"context"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
)

type transferInput struct {
	ID   string `path:"id" doc:"Name of the call." example:"OCNBP4VZUCFD7UWR7FH55UIHXQ"`
	Body api.TransferCall
}

// transfer answers when the target's phone rings, or has failed to.
func (h *handler) transfer(ctx context.Context, in *transferInput) (*callOutput, error) {
	return h.change(ctx, in.ID, func(p auth.Principal, id call.ID) error {
		replaced := call.Caller
		if in.Body.Replaces == call.Callee.String() {
			replaced = call.Callee
		}
		return h.Control.TransferCall(ctx, p, id, replaced, in.Body.Target)
	})
}

func (h *handler) hold(ctx context.Context, in *callInput) (*callOutput, error) {
	return h.change(ctx, in.ID, func(p auth.Principal, id call.ID) error {
		return h.Control.Hold(ctx, p, id, call.Caller, false)
	})
}

func (h *handler) resume(ctx context.Context, in *callInput) (*callOutput, error) {
	return h.change(ctx, in.ID, func(p auth.Principal, id call.ID) error {
		return h.Control.Hold(ctx, p, id, call.Caller, true)
	})
}

// change does something with a call and gives the call as it stands then.
func (h *handler) change(ctx context.Context, name string, do func(auth.Principal, call.ID) error) (*callOutput, error) {
	p, id := askedBy(ctx).principal, call.ID(name)
	running, err := h.Control.Call(ctx, p, id)
	if err == nil {
		err = do(p, id)
	}
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	return &callOutput{callOf(running)}, nil
}
