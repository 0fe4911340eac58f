package dialog_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// instant is a transport and the peer behind it: the peer has answered before Send
// returns, which is as fast as another goroutine can be.
type instant struct {
	ua     *dialog.UA
	answer func(req *sip.Message) []*sip.Message
	sent   []*sip.Message
}

func (i *instant) Send(t transport.Target, data []byte, _ transport.Sender) error {
	req, err := sip.Parse(data)
	if err != nil {
		return err
	}
	i.sent = append(i.sent, req)
	for _, resp := range i.answer(req) {
		back, err := sip.Parse(resp.Bytes())
		if err != nil {
			return err
		}
		i.ua.Receive(back, transport.Source{Target: t})
	}
	return nil
}

func (*instant) Reply(transport.Source, int, []byte) error { return nil }

func (*instant) SentBy(transport.Target) (string, int) { return "192.0.2.1", 5060 }

// names lists what was sent: method, CSeq number and the number of the branch in
// the order in which branches came up.
func (i *instant) names() []string {
	var out, branches []string
	for _, m := range i.sent {
		via, _ := m.Via()
		n := 0
		for n < len(branches) && branches[n] != via.Branch() {
			n++
		}
		if n == len(branches) {
			branches = append(branches, via.Branch())
		}
		out = append(out, m.Get(sip.CSeq)+" "+string(rune('a'+n)))
	}
	return out
}

var proxy = sip.URI{Scheme: "sip", Host: "192.0.2.2", Port: 5060}

// onInstant runs a test with a user agent whose peer answers at once.
func onInstant(t *testing.T, answer func(req *sip.Message) []*sip.Message, test func(t *testing.T, i *instant, e *end)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i, e, wheel := &instant{answer: answer}, &end{at: netip.MustParseAddrPort("192.0.2.1:5060")}, timing.New()
		defer wheel.Close()
		i.ua = dialog.New(dialog.Config{
			Transport: i, Resolver: &transport.Resolver{}, Wheel: wheel, Log: slog.New(slog.DiscardHandler), UserAgent: "test",
			Proxy: proxy, Allow: []string{sip.INVITE, sip.BYE},
		})
		test(t, i, e)
	})
}

func (i *instant) invite(e *end) *dialog.Session {
	to := sip.NameAddr{URI: proxy}
	e.calls = dialog.Outgoing{Target: proxy, From: to, To: to, ContactUser: "test"}
	return i.ua.Invite(dialog.NewName(), &digest.Credentials{Username: "u", Password: secret.New("p"), Realm: "r"}, e)
}

func challengeOf(req *sip.Message) *sip.Message {
	resp := sip.NewResponse(req, 407, "", "b")
	resp.Add(sip.ProxyAuthenticate, `Digest realm="r", nonce="n", qop="auth"`)
	return resp
}

// TestChallengeBeforeSendReturns: the challenge and all that follows it come before
// the send of the first INVITE returns. What is cancelled is the second one.
func TestChallengeBeforeSendReturns(t *testing.T) {
	onInstant(t, func(req *sip.Message) []*sip.Message {
		switch {
		case req.Method != sip.INVITE:
			return nil
		case req.GetOther("Proxy-Authorization") == "":
			return []*sip.Message{challengeOf(req)}
		default:
			return []*sip.Message{sip.NewResponse(req, 180, "", "b")}
		}
	}, func(t *testing.T, i *instant, e *end) {
		s := i.invite(e)
		s.Cancel()
		want := []string{"1 INVITE a", "1 ACK a", "2 INVITE b", "2 CANCEL b"}
		if d := cmp.Diff(want, i.names()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"Proxy Authentication Required", "Ringing"}, e.heard); d != "" {
			t.Error(d)
		}
	})
}

// TestAnswerBeforeSendReturns: so does a final response.
func TestAnswerBeforeSendReturns(t *testing.T) {
	for status, want := range map[int][]string{
		200: {"1 INVITE a", "1 ACK b"}, 486: {"1 INVITE a", "1 ACK a"},
	} {
		onInstant(t, func(req *sip.Message) []*sip.Message {
			if req.Method != sip.INVITE {
				return nil
			}
			resp := sip.NewResponse(req, status, "", "b")
			resp.Add(sip.Contact, "<sip:b@192.0.2.2>")
			return []*sip.Message{resp}
		}, func(t *testing.T, i *instant, e *end) {
			s := i.invite(e)
			s.Cancel() // Too late: nothing leaves.
			if status == 200 {
				s.Ack("", nil)
			}
			if d := cmp.Diff(want, i.names()); d != "" {
				t.Error(d)
			}
			if len(e.heard) != 1 || e.heard[0] != sip.ReasonPhrase(status) {
				t.Errorf("heard %v", e.heard)
			}
		})
	}
}

// TestLateAck: the ACK has the credentials of its INVITE (RFC 3261 section 22.1) also
// when it is sent after the transaction is over.
func TestLateAck(t *testing.T) {
	onInstant(t, func(req *sip.Message) []*sip.Message {
		switch {
		case req.Method != sip.INVITE:
			return nil
		case req.GetOther("Proxy-Authorization") == "":
			return []*sip.Message{challengeOf(req)}
		default:
			resp := sip.NewResponse(req, 200, "", "b")
			resp.Add(sip.Contact, "<sip:b@192.0.2.2>")
			return []*sip.Message{resp}
		}
	}, func(t *testing.T, i *instant, e *end) {
		s := i.invite(e)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.Ack("", nil)
		invite, ack := i.sent[len(i.sent)-2], i.sent[len(i.sent)-1]
		if ack.Method != sip.ACK || ack.Get(sip.ProxyAuthorization) == "" || ack.Get(sip.ProxyAuthorization) != invite.Get(sip.ProxyAuthorization) {
			t.Errorf("sent %v, the ACK with %q", i.names(), ack.Get(sip.ProxyAuthorization))
		}
	})
}

// TestOrphans: a response without Via is taken when tag, Call-ID and CSeq are those of
// the INVITE, and only then.
func TestOrphans(t *testing.T) {
	ring := func(req *sip.Message) []*sip.Message { return []*sip.Message{sip.NewResponse(req, 180, "", "b")} }
	onInstant(t, ring, func(t *testing.T, i *instant, e *end) {
		i.invite(e)
		orphan := func(change ...string) *sip.Message {
			resp := sip.NewResponse(i.sent[0], 486, "", "b")
			resp.Remove(sip.Via)
			m, err := sip.Parse([]byte(strings.NewReplacer(change...).Replace(resp.String())))
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		i.answer = func(*sip.Message) []*sip.Message { return nil }
		for _, wrong := range [][]string{
			{i.sent[0].FromTag(), "x"}, {i.sent[0].Get(sip.CallID), "x"}, {"1 INVITE", "2 INVITE"}, {"1 INVITE", "1 CANCEL"}, {"CSeq: 1 INVITE\r\n", ""},
		} {
			i.ua.Receive(orphan(wrong...), transport.Source{})
		}
		if len(e.heard) != 1 {
			t.Errorf("heard %v", e.heard)
		}
		i.ua.Receive(orphan(), transport.Source{})
		if d := cmp.Diff([]string{"Ringing", "Busy Here"}, e.heard); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"1 INVITE a", "1 ACK a"}, i.names()); d != "" {
			t.Error(d)
		}
	})
}

var _ transaction.Transport = (*instant)(nil)
