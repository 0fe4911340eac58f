package control_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
)

func byInvite(r *control.PlaceRequest) { r.Method = control.MethodInvite }

// TestR09ParallelInvites: one of them is placed, the others are told that it is in
// progress, and none of them ever rings.
func TestR09ParallelInvites(t *testing.T) {
	const n = 50
	l := controltest.New(t, nil)
	var placed atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := l.Place(context.Background(), user201, request(byInvite)); err != nil {
				wantError(t, err, call.Conflict, "Call in progress invite not supported")
				return
			}
			placed.Add(1)
		})
	}
	wg.Wait()
	invites := 0
	for _, d := range l.Signals.Done() {
		if _, ok := d.Effect.(call.Invite); ok {
			invites++
		}
	}
	if placed.Load() != 1 || invites != 1 || l.Engine.Len() != 1 || l.Records() != 1 {
		t.Errorf("%d placed, %d INVITEs, %d calls, %d records; want one of each", placed.Load(), invites, l.Engine.Len(), l.Records())
	}
}

func transfer(l *controltest.Lab, target string) error {
	return l.Transfer(context.Background(), user201, control.TransferRequest{
		StatusRequest: control.StatusRequest{Calling: "201", Called: "202"}, Target: target,
	})
}

// connected places a call of INVITE mode and has both phones answer.
func connected(t *testing.T, l *controltest.Lab) *controltest.Line {
	t.Helper()
	mustPlace(t, l, user201, request(byInvite))
	line := l.Signals.Last()
	line.AnswerOn(call.Caller)
	line.AnswerOn(call.Callee)
	return line
}

// TestM02TransferTellsRefusal: a target that refuses while the client waits is told; one
// that rings is not waited for.
func TestM02TransferTellsRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := controltest.New(t, nil)
		line := connected(t, l)
		for _, refuses := range []bool{true, false} {
			go func() {
				time.Sleep(time.Second)
				if refuses {
					line.RejectOn(call.Target, 486, "Busy Here")
					return
				}
				line.ProgressOn(call.Target, 180, "Ringing")
			}()
			begin := time.Now()
			err := transfer(l, "203")
			if wait := time.Since(begin); wait != time.Second {
				t.Errorf("the client waited %v", wait)
			}
			switch {
			case refuses:
				wantError(t, err, call.Conflict, "486")
			case err != nil:
				t.Error(err)
			}
		}
		wantError(t, transfer(l, "203"), call.Conflict, "being transferred already")
	})
}

// TestM02TransferWaitsForItsTurn: a transfer that is asked for while the call is busy
// with something else is not over before it has begun.
func TestM02TransferWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := controltest.New(t, nil)
		line := connected(t, l)
		free := make(chan struct{})
		l.Signals.Hook = func(e call.Effect) {
			if _, ok := e.(call.Reinvite); ok {
				<-free
			}
		}
		running, _ := l.Engine.Find(line.ID)
		go running.Post(call.Hold{Leg: call.Caller})
		synctest.Wait()
		told := make(chan error, 1)
		go func() { told <- transfer(l, "203") }()
		synctest.Wait()
		select {
		case err := <-told:
			close(free)
			t.Fatalf("the client was told %v before anything was done", err)
		default:
			close(free)
		}
		synctest.Wait()
		line.RejectOn(call.Target, 486, "Busy Here")
		wantError(t, <-told, call.Conflict, "486")
	})
}

// TestM04NoTransferOntoACall: the key that a transfer would give the call is taken.
func TestM04NoTransferOntoACall(t *testing.T) {
	l := controltest.New(t, nil)
	mustPlace(t, l, user201, request(func(r *control.PlaceRequest) { r.Agent, r.Calling = "201", "203" }))
	connected(t, l)
	wantError(t, transfer(l, "203"), call.Conflict, "there is a call between target and called party already")
}
