package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"callcontroller/api"
	"callcontroller/internal/sip"
)

// TestX13LadderAfterCrash: messages are forgotten with the process, but those that follow
// are known as the call's again, from the first one on, also when a phone sends it.
func TestX13LadderAfterCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keeping{})
	id := w.connect()
	w.within(func() error { // Nothing of the set-up is left to be done, then.
		if w.seen(about("202", request(sip.ACK, ""))) < 1 || w.seen(about("201", request(sip.ACK, ""))) < 3 {
			return errors.New("ACKs are missing: of the challenge, of both INVITEs, of the re-INVITE")
		}
		return nil
	})
	w.kill()
	w.serve()
	w.within(func() error { return w.settled(id) })
	w.sandbox.Phone("202").HangUp()
	w.within(func() error {
		got, err := w.ask(http.MethodGet, "/v1/calls/"+id+"/sip", "")
		if err != nil {
			return err
		}
		var m api.Messages
		if err := json.Unmarshal([]byte(got.body), &m); err != nil {
			return err
		}
		var list []string
		for _, message := range m.Messages {
			list = append(list, message.Direction+" "+message.Leg+" "+message.StartLine[:3])
		}
		if !slices.Equal(list, []string{"received callee BYE", "sent callee SIP", "sent caller BYE", "received caller SIP"}) {
			return fmt.Errorf("the ladder is %q", list)
		}
		return nil
	})
}
