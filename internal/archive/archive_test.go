package archive_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/archive"
	"callcontroller/internal/call"
)

// end tells an archive that a call has ended now.
func end(a *archive.Archive, id string) {
	o := &call.Order{Agent: call.Party{User: "201"}, Caller: call.Party{URI: "sip:201@h"}, Callee: call.Party{URI: "sip:202@h"}}
	c := call.New(call.ID(id), o)
	c.State, c.Ended, c.Outcome = call.Ended, call.StampOf(time.Now()), call.Outcome{Result: call.Busy, SIPCode: 486, EndedBy: call.ByCaller}
	a.Add(&c)
}

func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := archive.New(10, time.Minute)
		end(a, "one")
		c, ok := a.Find(t.Context(), "one")
		if !ok || c.ID != "one" || c.State != "ended" || c.Outcome == nil || c.Outcome.Result != "busy" || c.Agent != "201" {
			t.Errorf("%t %+v", ok, c)
		}
		if _, ok := a.Find(t.Context(), "two"); ok {
			t.Error("a call that never was is found")
		}
		time.Sleep(time.Minute + time.Second)
		if _, ok := a.Find(t.Context(), "one"); ok {
			t.Error("it is found for ever")
		}
	})
}

func TestNoMoreThanSoMany(t *testing.T) {
	a := archive.New(3, time.Hour)
	for i := range 10 {
		end(a, strconv.Itoa(i))
	}
	for i := range 10 {
		if _, ok := a.Find(t.Context(), call.ID(strconv.Itoa(i))); ok != (i >= 7) {
			t.Errorf("call %d is found: %t", i, ok)
		}
	}
}
