package sandbox_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
)

// fork is a caller and two phones of one user.
func fork(t *testing.T, w *world, n transport.Net) (caller, first, second *raw, invite *sip.Message) {
	t.Helper()
	caller = newRaw(t, w.Proxy(), transport.UDP, "205", n)
	first = newRaw(t, w.Proxy(), transport.UDP, "206", n).here()
	second = newRaw(t, w.Proxy(), transport.UDP, "206", n).here()
	invite = caller.challenged(caller.request(sip.INVITE, "sip:206@demo.test"))
	caller.send(invite)
	return caller, first, second, invite
}

func TestForkIsAnsweredOnce(t *testing.T) {
	w := start(t, bare)
	caller, first, second, invite := fork(t, w, nil)
	other := first.takes(sip.INVITE)
	first.reply(other, 180)
	caller.hears(180)
	second.reply(second.takes(sip.INVITE), 200)
	ok := caller.hears(200)
	cancel := first.takes(sip.CANCEL)
	if !strings.Contains(cancel.Get(sip.Reason), "cause=200") {
		t.Errorf("Reason of the CANCEL is %q, want that the call was answered elsewhere", cancel.Get(sip.Reason))
	}
	first.reply(cancel, 200)
	first.reply(other, 487)
	first.takes(sip.ACK)
	caller.send(caller.inside(sip.ACK, invite, ok))
	second.takes(sip.ACK)
}

func TestForkAnsweredTwice(t *testing.T) {
	w := start(t, bare)
	caller, first, second, _ := fork(t, w, nil)
	a, b := first.takes(sip.INVITE), second.takes(sip.INVITE)
	first.reply(a, 200)
	caller.hears(200)
	second.reply(b, 200) // It crosses the CANCEL: the caller must hear of it.
	caller.hears(200)
}

func TestForkTellsTheBestRefusal(t *testing.T) {
	for name, c := range map[string]struct{ first, second, want int }{
		"busy is more than not there":   {486, 480, 486},
		"not there is less than busy":   {408, 486, 486},
		"a 6xx is for all":              {486, 603, 603},
		"a 4xx is better than a 5xx":    {500, 404, 404},
		"a redirection better than 4xx": {404, 302, 302},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, bare)
			caller, first, second, invite := fork(t, w, nil)
			first.reply(first.takes(sip.INVITE), c.first)
			first.takes(sip.ACK)
			second.reply(second.takes(sip.INVITE), c.second)
			second.takes(sip.ACK)
			resp := caller.wait("final", func(m *sip.Message) bool { return m.Status >= 200 && m.Get(sip.CSeq) == invite.Get(sip.CSeq) })
			wantStatus(t, resp, c.want)
		})
	}
}

func TestForkIsCancelled(t *testing.T) {
	w := start(t, bare)
	caller, first, second, invite := fork(t, w, nil)
	phones := map[*raw]*sip.Message{first: first.takes(sip.INVITE), second: second.takes(sip.INVITE)}
	for phone, came := range phones {
		phone.reply(came, 180)
		caller.hears(180)
	}
	cancel := invite.Clone()
	cancel.Method = sip.CANCEL
	cancel.Set(sip.CSeq, strings.Replace(invite.Get(sip.CSeq), "INVITE", "CANCEL", 1))
	cancel.Remove(sip.ProxyAuthorization)
	wantStatus(t, caller.ask(cancel), 200)
	for phone, came := range phones {
		phone.reply(phone.takes(sip.CANCEL), 200)
		phone.reply(came, 487)
		phone.takes(sip.ACK)
	}
	caller.hears(487)
	eventually(t, "the proxy forgets the call", func() bool { return w.Proxy().Calls() == 0 })
}

// A contact that says nothing at all does not keep the caller waiting.
func TestSilentContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, inMemory(n))
		begin := time.Now()
		caller, first, second, _ := fork(t, w, loopback(n))
		second.takes(sip.INVITE)
		first.reply(first.takes(sip.INVITE), 486)
		caller.hears(486)
		if took := time.Since(begin); took < 8*time.Second || took > 9*time.Second {
			t.Errorf("the caller waited %v, want about 8 s", took)
		}
		if w.Proxy().Calls() != 0 {
			t.Error("the call is still known")
		}
	})
}

func TestNobodyRingsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, func(o *sandbox.Options) { o.Net = loopback(n) })
		w.dial("201", "sip:204@demo.test")
		time.Sleep(4 * time.Minute)
		if diff := cmp.Diff([]string{"ringing sip:204@demo.test"}, w.display("201")); diff != "" {
			t.Errorf("after 4 min (-want +got):\n%s", diff)
		}
		time.Sleep(2 * time.Minute)
		if got := append(w.display("201"), w.display("204")...); got != nil {
			t.Errorf("after 6 min the phones show %q", got)
		}
	})
}
