package interop

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"callcontroller/test/interop/lab"
)

// patience is how long a step may take that needs no timer of SIP; with -race, on
// a busy machine, it is far more than enough.
const patience = 20 * time.Second

// noCalls wants every phone without a call.
func noCalls(t *testing.T, l *lab.Lab, users ...string) {
	t.Helper()
	for _, user := range users {
		within(t, patience, func() error {
			calls, err := l.Phone(user).Calls(t.Context())
			if err == nil && len(calls) > 0 {
				err = fmt.Errorf("phone %s still has %v", user, calls)
			}
			return err
		})
	}
}

// talkTogether wants that the two phones talk to each other and have no other
// call, so none to the server either.
func talkTogether(t *testing.T, l *lab.Lab, calling, called string) {
	t.Helper()
	talksTo(t, l, calling, called)
	talksTo(t, l, called, calling)
}

func talksTo(t *testing.T, l *lab.Lab, user, peer string) {
	t.Helper()
	within(t, patience, func() error {
		calls, err := l.Phone(user).Calls(t.Context())
		if err != nil {
			return err
		}
		if len(calls) != 1 || !calls[0].Talking || calls[0].Peer != lab.URI(peer) && calls[0].Peer != "" {
			return fmt.Errorf("phone %s has %v, wanted one call, with %s", user, calls, lab.URI(peer))
		}
		return nil
	})
}

func TestLabPhonesCallEachOther(t *testing.T) {
	for _, test := range []struct{ calling, called string }{
		{lab.BaresipA, lab.BaresipB},
		{lab.BaresipC, lab.Linphone},
		{lab.Linphone, lab.BaresipB},
	} {
		t.Run(test.calling+" calls "+test.called, func(t *testing.T) {
			l := useLab(t, test.calling, test.called)
			if err := l.Softphone(test.calling).Dial(t.Context(), lab.URI(test.called)); err != nil {
				t.Fatal(err)
			}
			talkTogether(t, l, test.calling, test.called)
			if err := l.Idle(t.Context(), test.calling); err != nil {
				t.Fatal(err)
			}
			noCalls(t, l, test.calling, test.called)
		})
	}
}

func TestLabManualPhoneRingsUntilAccept(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipManual)
	if err := l.Softphone(lab.BaresipA).Dial(t.Context(), lab.URI(lab.BaresipManual)); err != nil {
		t.Fatal(err)
	}
	rings(t, l, lab.BaresipManual, lab.BaresipA)
	if err := l.Softphone(lab.BaresipManual).Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	talkTogether(t, l, lab.BaresipA, lab.BaresipManual)
}

func TestLabProxyLeavesThePath(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB)
	leavePath(t, l)
	before := lab.Size(l.Proxy().Log())
	if err := l.Softphone(lab.BaresipA).Dial(t.Context(), lab.URI(lab.BaresipB)); err != nil {
		t.Fatal(err)
	}
	talkTogether(t, l, lab.BaresipA, lab.BaresipB)
	if err := l.Idle(t.Context(), lab.BaresipA, lab.BaresipB); err != nil {
		t.Fatal(err)
	}
	if log := lab.TailFrom(l.Proxy().Log(), before); slices.Contains(requestsInLog(log), "BYE") {
		t.Errorf("the BYE passed through the proxy without Record-Route:\n%s", log)
	}
}

// requestsInLog are the methods of the requests in the proxy's log.
func requestsInLog(log string) []string {
	var methods []string
	for _, m := range logRequest.FindAllStringSubmatch(log, -1) {
		methods = append(methods, m[1])
	}
	return methods
}

var logRequest = regexp.MustCompile(`(?m)request ([A-Z]+) .*$`)

func TestLabRefusals(t *testing.T) {
	for _, test := range []struct{ called, status string }{
		{lab.AgentBusy, "486"},
		{lab.AgentDecline, "603"},
		{lab.AgentDeaf, "408"},
		{lab.Unregistered, "480"},
		{lab.Unknown, "404"},
	} {
		t.Run(test.called+" answers "+test.status, func(t *testing.T) {
			l := useLab(t, lab.BaresipC)
			phone := l.Softphone(lab.BaresipC)
			before := lab.Size(phone.Trace())
			if err := phone.Dial(t.Context(), lab.URI(test.called)); err != nil {
				t.Fatal(err)
			}
			within(t, patience, func() error {
				if trace := lab.TailFrom(phone.Trace(), before); !strings.Contains(trace, "SIP/2.0 "+test.status) {
					return fmt.Errorf("no response %s in the trace of %s", test.status, phone.User())
				}
				return nil
			})
			noCalls(t, l, lab.BaresipC)
		})
	}
}
