package v1

import (
	"context"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

type transferInput struct {
	ID   string `path:"id" doc:"Name of the call." example:"OCNBP4VZUCFD7UWR7FH55UIHXQ"`
	Body api.TransferCall
}

// transfer answers when the target's phone rings, or has failed to.
func (h *handler) transfer(ctx context.Context, in *transferInput) (*callOutput, error) {
	replaced := call.Caller
	if in.Body.Replaces == call.Callee.String() {
		replaced = call.Callee
	}
	running, err := h.Control.TransferCall(ctx, askedBy(ctx).principal, call.ID(in.ID), replaced, in.Body.Target)
	return changed(ctx, running, err)
}

func (h *handler) hold(ctx context.Context, in *callInput) (*callOutput, error) {
	running, err := h.Control.Hold(ctx, askedBy(ctx).principal, call.ID(in.ID), call.Caller, false)
	return changed(ctx, running, err)
}

func (h *handler) resume(ctx context.Context, in *callInput) (*callOutput, error) {
	running, err := h.Control.Hold(ctx, askedBy(ctx).principal, call.ID(in.ID), call.Caller, true)
	return changed(ctx, running, err)
}

// changed answers with a call to which something was done, as it stands then.
func changed(ctx context.Context, running *engine.Running, err error) (*callOutput, error) {
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	return &callOutput{callOf(running)}, nil
}
