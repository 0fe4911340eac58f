package control

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/timing"
)

// noLine is signalling that does nothing.
type noLine struct{}

func (noLine) Open(*engine.Running) engine.Line      { return noLine{} }
func (noLine) Dialog(call.Leg) (call.DialogID, bool) { return call.DialogID{}, false }
func (noLine) Invite(call.Invite)                    {}
func (noLine) Cancel(call.Cancel)                    {}
func (noLine) Ack(call.Ack)                          {}
func (noLine) Prack(call.Prack)                      {}
func (noLine) Reinvite(call.Reinvite)                {}
func (noLine) Refer(call.Refer)                      {}
func (noLine) Bye(call.Bye)                          {}
func (noLine) Respond(call.Respond)                  {}
func (noLine) Forward(call.Forward)                  {}
func (noLine) Ping(call.Ping)                        {}
func (noLine) Release(call.Release)                  {}
func (noLine) Save(b []byte) []byte                  { return b }
func (noLine) Reach()                                {}
func (noLine) Unanswered() [call.NumLegs]bool        { return [call.NumLegs]bool{} }

func (noLine) Restore(*call.Call, []byte, time.Duration) error { return nil }

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestRecordMemory holds the budget of a record, beside its call, and that nothing is
// left when all are gone.
func TestRecordMemory(t *testing.T) {
	const n, budget = 10_000, 150
	synctest.Test(t, func(t *testing.T) {
		w := timing.New()
		defer w.Close()
		e := engine.New(noLine{}, w, slog.New(slog.DiscardHandler))
		calls := make([]*engine.Running, n)
		for i := range calls {
			calls[i] = e.Add(call.New(NewID(), &call.Order{
				Agent: call.Party{URI: fmt.Sprint("sip:", i, "@example.com")}, Limits: &call.Limits{RingTimeout: time.Hour},
			}))
			calls[i].Post(call.Start{})
			calls[i].Post(call.SendFailed{Response: call.Response{Status: 408}})
		}
		s := newRecords(w)
		before := heap()
		for _, r := range calls {
			s.put(r, time.Minute)
		}
		if each := (heap() - before) / n; each > budget {
			t.Errorf("a record takes %d bytes, the budget is %d", each, budget)
		} else {
			t.Logf("a record takes %d bytes", each)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		for i := range s.shard {
			if m := s.shard[i].m; m != nil {
				t.Errorf("shard %d keeps a map of %d records", i, len(m))
			}
		}
		if s.len() != 0 {
			t.Errorf("%d records are counted", s.len())
		}
		if more := heap() - before; more > n*budget/20 {
			t.Errorf("the heap is %d bytes larger than before the records", more)
		}
		runtime.KeepAlive(calls)
	})
}
