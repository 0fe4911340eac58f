package chronicle

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callcontroller/api"
)

// TestAppendCallIsEncodingJSON: whatever is in a call, it is written as package
// encoding/json has it, so that who reads it by the types of package api gets it back.
func TestAppendCallIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCall(t)
		want, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendCall(nil, &c); string(got) != string(want) {
			t.Fatalf("written is\n%s, want\n%s", got, want)
		}
	})
}

func anyCall(t *rapid.T) api.Call {
	text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"201@example.com", `"<&>\`, "\x00\x7f\xff", "M\u00fcller \u2028\u2029"}), rapid.String())
	party := rapid.Custom(func(t *rapid.T) api.Party {
		return api.Party{Address: text.Draw(t, "address"), Name: text.Draw(t, "name"), User: text.Draw(t, "user")}
	})
	moment := rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "ms")).UTC() })
	leg := rapid.Custom(func(t *rapid.T) api.Leg {
		return api.Leg{Role: text.Draw(t, "role"), Party: party.Draw(t, "party"), State: text.Draw(t, "state"), Held: rapid.Bool().Draw(t, "held"), SIPCallID: text.Draw(t, "id")}
	})
	c := api.Call{
		ID: text.Draw(t, "id"), State: text.Draw(t, "state"), Method: text.Draw(t, "method"), Agent: text.Draw(t, "agent"),
		Caller: party.Draw(t, "caller"), Callee: party.Draw(t, "callee"), Subject: text.Draw(t, "subject"),
		Metadata: rapid.MapOf(text, text).Draw(t, "metadata"), CreatedAt: moment.Draw(t, "created"),
		ConnectedAt: rapid.Ptr(moment, true).Draw(t, "connected"), EndedAt: rapid.Ptr(moment, true).Draw(t, "ended"),
		Legs: rapid.SliceOf(leg).Draw(t, "legs"),
	}
	if rapid.Bool().Draw(t, "with transfer") {
		c.Transfer = &api.Transfer{Target: party.Draw(t, "target"), Replaces: text.Draw(t, "replaces"), Ringing: rapid.Bool().Draw(t, "ringing")}
	}
	if rapid.Bool().Draw(t, "with outcome") {
		c.Outcome = &api.Outcome{Result: text.Draw(t, "result"), FailedLeg: text.Draw(t, "failed"), SIPCode: rapid.IntRange(0, 699).Draw(t, "code"), EndedBy: text.Draw(t, "by")}
	}
	return c
}

// BenchmarkEvent is the JSON of a step.
func BenchmarkEvent(b *testing.B) {
	c := api.Call{
		ID: "OCNBP4VZUCFD7UWR7FH55UIHXQ", State: "caller_ringing", Method: "refer", Agent: "agent",
		Caller: api.Party{Address: "201@example.com", User: "201"}, Callee: api.Party{Address: "202@example.com"}, CreatedAt: time.Now().UTC(),
		Legs: []api.Leg{{Role: "caller", State: "early", Party: api.Party{Address: "201@example.com"}, SIPCallID: "f3efcb157fbc69de"}},
	}
	b.ReportAllocs()
	var text []byte
	for b.Loop() {
		text = appendCall(text[:0], &c)
	}
}
