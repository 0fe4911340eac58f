package dialog

import (
	"slices"
	"testing"

	"callcontroller/internal/sip"
)

// TestDialogTexts: what a request inside a dialog is made from is what the response
// said, however the phone wrote its To, and stays so with a new remote target.
func TestDialogTexts(t *testing.T) {
	to := sip.NameAddr{Display: "Bob", URI: sip.URI{Scheme: "sip", User: "bob", Host: "example.com"}}
	s := &Session{user: described{o: Outgoing{Target: to.URI, From: sip.NameAddr{URI: to.URI}, To: to}}, localTag: 1, sipCallID: "id"}
	for value, tag := range map[string]string{
		`"Bob" <sip:bob@example.com>;tag=a`:       "a",
		`"Bob" <sip:bob@example.com>`:             "",
		`"Bob" <sip:bob@example.com> ;tag=a`:      "a",
		`"Bob" <sip:bob@example.com>;x=ab;tag=b`:  "b",
		`<sip:bob@192.0.2.1;user=phone>;tag=a.b`:  "a.b",
		`"Bobby" <sip:bob@example.com>;tag=ab;ab`: "ab",
	} {
		resp := &sip.Message{Status: 200}
		resp.Add(sip.To, value)
		resp.Add(sip.CSeq, "7 INVITE")
		resp.Add(sip.RecordRoute, "<sip:p1;lr>, <sip:p2;lr>")
		resp.Add(sip.RecordRoute, "<sip:p3;lr>")
		resp.Add(sip.Contact, "<sip:bob@192.0.2.9?x=y>")
		d, err := fromResponse(s.describe(), resp)
		if err != nil || string(d.RemoteTag) != tag {
			t.Errorf("To %s: tag %q, error %v", value, d.RemoteTag, err)
		}
		check := func(target string) {
			req := s.request(d, sip.BYE, 8)
			if got := req.Get(sip.To); got != value {
				t.Errorf("To %s is sent as %s", value, got)
			}
			if got := req.Get(sip.From); got != "<sip:bob@example.com>;tag=0000000000000001" {
				t.Errorf("From %s", got)
			}
			if got := slices.Collect(req.Values(sip.Route)); !slices.Equal(got, []string{"<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"}) || req.RequestURI != target {
				t.Errorf("%s by %s", req.RequestURI, got)
			}
		}
		check("sip:bob@192.0.2.9")
		d.retarget(sip.URI{Scheme: "sip", Host: "192.0.2.8"})
		check("sip:192.0.2.8")
		if string(d.RemoteTag) != tag {
			t.Errorf("To %s: tag %q with another target", value, d.RemoteTag)
		}
	}
}

// described is a User that is told nothing.
type described struct {
	User
	o Outgoing
}

func (d described) Outgoing() Outgoing { return d.o }
