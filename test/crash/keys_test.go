package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"callcontroller/api"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

// TestX14SameKeyAroundCrash (row R08 too): a client that does not know what has come of its
// request sends it again with the same key, before and after a crash, and at most one
// phone rings for it. All answers are of one call.
func TestX14SameKeyAroundCrash(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   func(sandbox.Traced) bool
	}{
		{"INVITE has left", request(sip.INVITE, "")},
		{"phone rings", response(180, sip.INVITE)},
		{"phone has answered", response(200, sip.INVITE)},
		{"called party is called", about("202", request(sip.INVITE, ""))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, keeping{})
			w.killAt(tt.at)
			first := make(chan api.Call, 1)
			go func() {
				c, _ := w.placeWithKey() // the program may be killed before it answers
				first <- c
			}()
			w.arrive()
			w.serve()
			known := <-first
			var again api.Call
			w.within(func() (err error) {
				again, err = w.placeWithKey()
				return err
			})
			if known.ID != "" && known.ID != again.ID {
				t.Errorf("the call was %s, and is %s", known.ID, again.ID)
			}
			w.within(func() error { return w.onHook("201", "202") })
			w.within(func() error { return w.over("") })
			w.kill()
			w.serve()
			if third, err := w.placeWithKey(); err != nil || third.ID != again.ID {
				t.Errorf("after another crash the call is %s (%v), want %s", third.ID, err, again.ID)
			}
			if c, err := w.call(again.ID); err != nil || c.State != "ended" || c.Outcome == nil {
				t.Errorf("the call, from the journal: %+v %v", c, err)
			}
			if n := w.seen(ringing("201")); n > 1 {
				t.Errorf("phone 201 rang %d times", n)
			}
		})
	}
}

func (w *world) placeWithKey() (c api.Call, err error) {
	got, err := w.ask(http.MethodPost, "/v1/calls", `{"caller":"201","callee":"202","agent":"201","method":"invite"}`, "Idempotency-Key", `"8e03978e"`)
	if err != nil {
		return c, err
	}
	if got.status != http.StatusCreated {
		return c, fmt.Errorf("%d %s", got.status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), &c); err != nil {
		return c, err
	}
	if c.ID == "" {
		return c, errors.New("a call without a name")
	}
	return c, nil
}
