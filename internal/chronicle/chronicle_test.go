package chronicle_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/chronicle"
)

func unnamed(call.Leg) (call.DialogID, bool) { return call.DialogID{}, false }

func order() *call.Order {
	return &call.Order{
		Agent: call.Party{URI: "sip:201@example.com", User: "201"}, Caller: call.Party{URI: "sip:201@example.com", Display: "Alice", User: "201"},
		Callee: call.Party{URI: "sip:202@partner.test:5080"}, ConfPIN: "471100", Subject: "x", Placed: 1000, Limits: &call.Limits{},
	}
}

// TestNewCall: what a call that has not begun shows, and what not.
func TestNewCall(t *testing.T) {
	c := call.New("A", order())
	got := chronicle.CallOf(&c, unnamed)
	if got.ID != "A" || got.State != "queued" || got.Method != "refer" || got.Agent != "201" || got.Caller.Name != "Alice" || got.Callee.Address != "202@partner.test:5080" ||
		!got.CreatedAt.Equal(time.Unix(1, 0)) || got.CreatedAt.Location() != time.UTC || got.ConnectedAt != nil || got.EndedAt != nil || got.Outcome != nil || got.Legs != nil || got.Metadata != nil {
		t.Errorf("%+v", got)
	}
	text, err := json.Marshal(got)
	if err != nil || strings.Contains(string(text), "471100") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestEndedCall: how a call went is told when it has ended.
func TestEndedCall(t *testing.T) {
	c := call.New("A", order())
	c.Order.Wishes = &call.Wishes{Metadata: map[string]string{"a": "b"}}
	c.State, c.Ended, c.Connected = call.Ended, 3000, 2000
	c.Outcome = call.Outcome{Result: call.Busy, FailedLeg: call.Callee, SIPCode: 486, EndedBy: call.ByCallee}
	got := chronicle.CallOf(&c, unnamed)
	if got.Outcome == nil || got.Outcome.Result != "busy" || got.Outcome.FailedLeg != "callee" || got.Outcome.SIPCode != 486 || got.Outcome.EndedBy != "callee" ||
		got.EndedAt.Unix() != 3 || got.ConnectedAt.Unix() != 2 || got.Metadata["a"] != "b" {
		t.Errorf("%+v %+v", got, got.Outcome)
	}
	c.Outcome = call.Outcome{Result: call.Completed, SIPCode: 200, EndedBy: call.ByCaller}
	if got := chronicle.CallOf(&c, unnamed); got.Outcome.FailedLeg != "" {
		t.Errorf("%+v", got.Outcome)
	}
}
