package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/api"
	"callcontroller/internal/webhook"
	"callcontroller/internal/webhook/signature"
)

// verify is what a receiver does, from the specification and from nothing of ours: it
// tells which of the signatures a key has made.
func verify(t *testing.T, a attempt, key string) []bool {
	t.Helper()
	timestamp := a.header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		t.Errorf("webhook-timestamp %q", timestamp)
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(a.id() + "." + timestamp + "."))
	mac.Write(a.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	var by []bool
	for one := range strings.SplitSeq(a.header.Get("webhook-signature"), " ") {
		by = append(by, one == want)
	}
	return by
}

func TestEventIsSignedCloudEvent(t *testing.T) {
	r := newReceiver(t, nil)
	l := newLab(t, r)
	l.config.Endpoints[0].Secrets = []signature.Secret{newSecret(t, "new"), newSecret(t, "old")}
	l.run(t)
	l.prime(t, r)
	l.append(t, "CALL", 3, api.CallConnected, "201")
	a := r.next(t)

	if got := verify(t, a, "geheimgeheimgeheimgeheimnew"); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("signatures by the new secret: %v", got)
	}
	if got := verify(t, a, "geheimgeheimgeheimgeheimold"); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("signatures by the old secret: %v", got)
	}
	var e map[string]any
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatal(err)
	}
	data, _ := e["data"].(map[string]any)
	position, err := strconv.ParseUint(data["id"].(string), 10, 64)
	if err != nil || position == 0 {
		t.Errorf("id of the event: %v", data["id"])
	}
	want := map[string]any{
		"specversion": "1.0", "id": "CALL-3", "source": "sip:example.com", "type": "call.connected", "subject": "CALL",
		"time": "2026-11-28T10:00:00Z", "datacontenttype": "application/json",
		"data": map[string]any{"id": data["id"], "type": "call.connected", "time": "2026-11-28T10:00:00Z", "seq": 3.0, "call": map[string]any{"id": "CALL"}},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	header := map[string]string{"Content-Type": "application/cloudevents+json", "User-Agent": "callcontroller/1.2.3", "Webhook-Id": "CALL-3"}
	for name, want := range header {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"Authorization", "Cookie", "Accept-Encoding", "Referer"} {
		if got := a.header.Get(name); got != "" {
			t.Errorf("%s: %q is sent", name, got)
		}
	}
}

func TestRetryHasTheSameIDAndBody(t *testing.T) {
	var left atomic.Int32
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("webhook-id") == "CALL-1" && left.Add(-1) >= 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	l := newLab(t, r)
	l.run(t)
	l.prime(t, r)
	left.Store(2)
	l.append(t, "CALL", 1, api.CallCreated, "201")
	first := r.next(t)
	for range 2 {
		again := r.next(t)
		if again.id() != "CALL-1" || string(again.body) != string(first.body) {
			t.Errorf("%s %s, first %s %s", again.id(), again.body, first.id(), first.body)
		}
		if !slices.Equal(verify(t, again, "geheimgeheimgeheimgeheim"), []bool{true}) {
			t.Error("not signed")
		}
	}
	l.append(t, "CALL", 2, api.CallEnded, "201")
	if a := r.next(t); a.id() != "CALL-2" {
		t.Errorf("%s was sent again after it was taken", a.id())
	}
	log := l.log.String()
	if strings.Count(log, "level=WARN msg=\"webhook: event not taken") != 1 || strings.Count(log, "answered 500") != 2 {
		t.Error(log)
	}
}

func TestGivenUpAfterTheLastAttempt(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("webhook-id") == "CALL-1" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	l := newLab(t, r)
	l.run(t)
	l.prime(t, r)
	l.append(t, "CALL", 1, api.CallCreated, "201")
	for range 1 + len(l.config.Backoff) {
		if a := r.next(t); a.id() != "CALL-1" {
			t.Fatal(a.id())
		}
	}
	l.append(t, "CALL", 2, api.CallEnded, "201")
	if a := r.next(t); a.id() != "CALL-2" {
		t.Error(a.id())
	}
}

// The schedule of the specification's example.
func TestBackoff(t *testing.T) {
	var sum time.Duration
	var since []string
	for _, d := range webhook.Backoff() {
		sum += d
		since = append(since, sum.String())
	}
	want := "5s 5m5s 35m5s 2h35m5s 7h35m5s 17h35m5s 31h35m5s 51h35m5s 75h35m5s"
	if got := strings.Join(since, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestOnlyWhatAnEndpointWants(t *testing.T) {
	all, some := newReceiver(t, nil), newReceiver(t, nil)
	l := newLab(t, all, some)
	l.config.Endpoints[1].Events = []string{api.CallRefused, api.CallEnded}
	l.config.Endpoints[1].Agents = []string{"prime", "201"}
	l.run(t)
	l.prime(t, all, some)
	l.append(t, "A", 1, api.CallCreated, "201")
	l.append(t, "A", 2, "", "201") // for recovery only
	l.append(t, "B", 1, api.CallEnded, "202")
	l.append(t, "A", 3, api.CallEnded, "201")
	var got []string
	for range 3 {
		got = append(got, all.next(t).id())
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"A-1", "A-3", "B-1"}) {
		t.Errorf("all: %v", got)
	}
	if a := some.next(t); a.id() != "A-3" {
		t.Errorf("some: %s", a.id())
	}
}

func TestGoneDisablesForGood(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.Header.Get("webhook-id"), "CALL") {
			w.WriteHeader(http.StatusGone)
		}
	})
	other := newReceiver(t, nil)
	l := newLab(t, r, other)
	l.run(t)
	l.prime(t, r, other)
	l.append(t, "CALL", 1, api.CallCreated, "201")
	r.next(t)
	other.next(t)
	l.append(t, "CALL", 2, api.CallEnded, "201")
	if a := other.next(t); a.id() != "CALL-2" {
		t.Error(a.id())
	}

	// A restart enables nothing, not even when the journal has forgotten the worker.
	restarted := l.hooks(t)
	if at := restarted.Disabled("a"); time.Since(at) > time.Minute || !restarted.Disabled("b").IsZero() {
		t.Errorf("disabled: %v, %v", at, restarted.Disabled("b"))
	}
	l.run(t)
	l.append(t, "CALL", 3, api.CallEnded, "201")
	if a := other.next(t); a.id() != "CALL-3" || len(r.got) != 0 {
		t.Errorf("%s, and %d for the one that is gone", a.id(), len(r.got))
	}
	if log := l.log.String(); !strings.Contains(log, "level=WARN msg=\"webhook: disabled, since its server has answered 410") {
		t.Error(log)
	}

	// Another configuration does, from the next event on.
	l.config.Endpoints[0].Agents = []string{"prime", "201"}
	if at := l.hooks(t).Disabled("a"); !at.IsZero() {
		t.Errorf("still disabled: %v", at)
	}
	l.run(t)
	l.prime(t, r)
}

func TestRedirectIsNotFollowed(t *testing.T) {
	target := newReceiver(t, nil)
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("webhook-id") == "CALL-1" {
			http.Redirect(w, q, target.URL, http.StatusTemporaryRedirect)
		}
	})
	l := newLab(t, r)
	l.config.Roots = roots(r, target)
	l.run(t)
	l.prime(t, r)
	l.append(t, "CALL", 1, api.CallCreated, "201")
	for range 1 + len(l.config.Backoff) { // it is a failure like another
		r.next(t)
	}
	if len(target.got) != 0 {
		t.Error("the redirect was followed")
	}
}

// An endpoint that does not answer holds nobody up.
func TestSlowEndpointHoldsNobody(t *testing.T) {
	release := make(chan struct{})
	slow := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.Header.Get("webhook-id"), "CALL") {
			<-release
		}
	})
	fast := newReceiver(t, nil)
	l := newLab(t, slow, fast)
	stop := l.run(t)
	l.prime(t, slow, fast)
	const events = 50
	for i := range events {
		l.append(t, "CALL", uint64(i+1), api.LegRinging, "201")
	}
	for range events {
		fast.next(t)
	}
	if n := len(slow.got); n > 4 {
		t.Errorf("the slow one has %d requests at once", n)
	}
	stop() // does not wait for the slow one either
	close(release)
}

func TestRestartGoesOn(t *testing.T) {
	hold := make(chan struct{})
	var held atomic.Bool
	r := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
		if held.Load() && q.Header.Get("webhook-id") != "CALL-1" {
			<-hold
		}
	})
	l := newLab(t, r)
	stop := l.run(t)
	l.prime(t, r)
	held.Store(true)
	l.append(t, "CALL", 1, api.CallCreated, "201")
	if a := r.next(t); a.id() != "CALL-1" {
		t.Fatal(a.id())
	}
	l.append(t, "CALL", 2, api.LegTrying, "201")
	if a := r.next(t); a.id() != "CALL-2" {
		t.Fatal(a.id())
	}
	stop() // with the second under way
	held.Store(false)
	close(hold)
	l.append(t, "CALL", 3, api.LegRinging, "201") // while nobody sends

	stop = l.run(t)
	got := []string{r.next(t).id(), r.next(t).id()}
	slices.Sort(got)
	if !slices.Equal(got, []string{"CALL-2", "CALL-3"}) {
		t.Errorf("after the restart: %v", got)
	}

	// The same with another process: what nobody has sent yet is in the journal.
	stop()
	l.append(t, "CALL", 4, api.CallEnded, "201")
	l.close(t)
	l.open(t)
	l.run(t)
	if a := r.next(t); a.id() != "CALL-4" {
		t.Errorf("after the restart of the journal: %s", a.id())
	}
}

// An endpoint that is configured no longer leaves nothing in the journal: when it comes
// back it gets what is new, not what came meanwhile.
func TestFormerEndpointIsForgotten(t *testing.T) {
	var late atomic.Bool
	r := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.Header.Get("webhook-id"), "CALL") {
			late.Store(true)
		}
	})
	other := newReceiver(t, nil)
	l := newLab(t, r, other)
	stop := l.run(t)
	l.prime(t, r, other)
	stop()

	both := l.config.Endpoints
	l.config.Endpoints = both[1:]
	stop = l.run(t)
	l.append(t, "CALL", 1, api.CallCreated, "201")
	other.next(t)
	stop()

	l.config.Endpoints = both
	l.run(t)
	l.prime(t, r)
	if late.Load() {
		t.Error("it got what came while it was not configured")
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"nonsense", "null", "[]", `{"a":null}`} {
		r := newReceiver(t, nil)
		l := newLab(t, r)
		if err := os.WriteFile(l.config.State, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l.run(t)
		l.prime(t, r)
		if warned := strings.Contains(l.log.String(), "not known which endpoints"); warned != (text == "nonsense" || text == "[]") {
			t.Errorf("%s: warned %t", text, warned)
		}
	}
}

func TestTestEvent(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(strings.Repeat("x", 100_000)))
	})
	l := newLab(t, r)
	a, err := l.hooks(t).Test(t.Context(), "a")
	if err != nil || a.Status != http.StatusTeapot || len(a.Body) != 64<<10 || a.RetryAfter != 7*time.Second {
		t.Errorf("%d %d %v %v", a.Status, len(a.Body), a.RetryAfter, err)
	}
	got := r.next(t)
	if !slices.Equal(verify(t, got, "geheimgeheimgeheimgeheim"), []bool{true}) || !strings.HasPrefix(got.id(), "test-") ||
		!strings.Contains(string(got.body), `"type":"callcontroller.webhook.test"`) {
		t.Errorf("%v %s", got.header, got.body)
	}
	if _, err := l.hooks(t).Test(t.Context(), "z"); err == nil || err.Error() != `there is no webhook "z"` {
		t.Error(err)
	}
}
