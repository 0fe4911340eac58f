package chronicle

import (
	"callcontroller/api"
	"callcontroller/internal/call"
)

// Change is an event of a call, without the call itself.
type Change struct {
	Type string
	Leg  string // the role of the leg, "" for the call as a whole
}

// ChangesOf gives what has become of a call in one step, in the order in which it is
// told: the legs first, then the call. When the call ends all its legs are told to end
// with it; what is heard of them afterwards is no news.
func ChangesOf(old, c *call.Call, list []Change) []Change {
	if old.State == call.Ended {
		return list
	}
	if old.State == call.Queued && c.State != call.Queued {
		list = append(list, Change{Type: api.CallCreated})
	}
	before, after := old.Sides(), c.Sides()
	for l := range after {
		if c.State == call.Ended && after[l].Party != nil {
			after[l].State = call.Terminated
		}
		list = legChanges(&before[l], &after[l], list)
	}
	return callChanges(old, c, list)
}

func legChanges(old, s *call.Side, list []Change) []Change {
	role := s.Role.String()
	if old.Held != s.Held && s.State == call.Confirmed && old.State == call.Confirmed {
		kind := api.LegResumed
		if s.Held {
			kind = api.LegHeld
		}
		list = append(list, Change{kind, role})
	}
	if s.State == call.Early && s.Media && !old.Media {
		list = append(list, Change{api.LegEarlyMedia, role})
	} else if s.State == call.Early && old.State != call.Early {
		list = append(list, Change{api.LegRinging, role})
	}
	if old.State == s.State {
		return list
	}
	switch s.State {
	case call.Trying:
		list = append(list, Change{api.LegTrying, role})
	case call.Confirmed:
		list = append(list, Change{api.LegAnswered, role})
	case call.Terminated:
		if old.State != call.Idle {
			list = append(list, Change{api.LegEnded, old.Role.String()})
		}
	case call.Idle, call.Proceeding, call.Early: // Nothing that anybody could hear, or told above.
	}
	return list
}

func callChanges(old, c *call.Call, list []Change) []Change {
	if old.State == c.State {
		return list
	}
	if old.State == call.Transferring {
		kind := api.TransferSucceeded
		if c.State != call.Connected || c.Transferral().Failure != nil {
			kind = api.TransferFailed
		}
		list = append(list, Change{Type: kind})
	}
	switch c.State {
	case call.Connected:
		if old.State != call.Transferring {
			list = append(list, Change{Type: api.CallConnected})
		}
	case call.HandedOff:
		list = append(list, Change{Type: api.CallHandedOff})
	case call.Transferring:
		list = append(list, Change{Type: api.TransferStarted})
	case call.Ended:
		list = append(list, Change{Type: api.CallEnded})
	default: // On its way: the legs tell.
	}
	return list
}
