package v1_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	v1 "callcontroller/internal/httpapi/v1"
	"callcontroller/internal/policy"
)

func withKey(key string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Idempotency-Key", key) }
}

// TestR08SameKey: the same request with the same key places one call and gets one
// answer; another request with it is refused, and another user's key is another one.
func TestR08SameKey(t *testing.T) {
	l := newLab(t, nil, nil)
	key := withKey(`"8e03978e"`)
	first := l.ask(t, "POST", "/v1/calls", as201, plain, key)
	c := read[api.Call](t, first, http.StatusCreated)
	l.ask(t, "DELETE", "/v1/calls/"+c.ID, as201, "")
	again := l.ask(t, "POST", "/v1/calls", as201, `{ "callee":"202", "caller":"201" }`, key)
	if again.Code != http.StatusCreated || again.Body.String() != first.Body.String() || again.Header().Get("Location") != first.Header().Get("Location") {
		t.Errorf("the second answer is %d %s", again.Code, again.Body)
	}
	if first.Header().Get("Idempotent-Replayed") != "" || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Error("the mark is wrong")
	}
	wantProblem(t, "another request", l.ask(t, "POST", "/v1/calls", as201, `{"caller":"201","callee":"203"}`, key), http.StatusUnprocessableEntity, "key-reused")
	if n := len(l.Signals.Lines()); n != 1 {
		t.Fatalf("%d calls, want 1", n)
	}
	if w := l.ask(t, "POST", "/v1/calls", as202, `{"caller":"202","callee":"201"}`, key); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("another user: %d %s", w.Code, w.Body)
	}
	l.ask(t, "POST", "/v1/calls", as201, plain, withKey(`"other"`))
	if n := len(l.Signals.Lines()); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// TestR08Parallel: of 50 at once one rings; the others get its answer, or are told that
// it is under way.
func TestR08Parallel(t *testing.T) {
	l := newLab(t, nil, nil)
	codes := make(chan int, 50)
	var all sync.WaitGroup
	for range cap(codes) {
		all.Go(func() { codes <- l.ask(t, "POST", "/v1/calls", as201, plain, withKey(`"k"`)).Code })
	}
	all.Wait()
	close(codes)
	for code := range codes {
		if code != http.StatusCreated && code != http.StatusConflict {
			t.Errorf("an answer is %d", code)
		}
	}
	if n := len(l.Signals.Lines()); n != 1 {
		t.Errorf("%d phones rang", n)
	}
}

// TestR08UnderWay: while the first request is worked on, another one is told so.
func TestR08UnderWay(t *testing.T) {
	l := newLab(t, nil, nil)
	first := true
	l.Signals.Hook = func(call.Effect) { // The phone is being called, and the first answer is not there yet.
		if !first {
			return
		}
		first = false
		wantProblem(t, "under way", l.ask(t, "POST", "/v1/calls", as201, plain, withKey(`"k"`)), http.StatusConflict, "key-in-use")
		wantProblem(t, "another request", l.ask(t, "POST", "/v1/calls", as201, `{"caller":"201","callee":"203"}`, withKey(`"k"`)), http.StatusUnprocessableEntity, "key-reused")
	}
	if w := l.ask(t, "POST", "/v1/calls", as201, plain, withKey(`"k"`)); w.Code != http.StatusCreated || first {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestR08AfterError: a request that was refused has sent nothing, so its key may be used
// again.
func TestR08AfterError(t *testing.T) {
	l := newLab(t, func(c *control.Config) {
		c.Policy = policy.New(policy.Config{Default: policy.Set{AtOnce: 1}})
	}, nil)
	busy := l.place(t, as201, plain)
	wantProblem(t, "limit", l.ask(t, "POST", "/v1/calls", as201, plain, withKey(`"k"`)), http.StatusTooManyRequests, "limited")
	l.ask(t, "DELETE", "/v1/calls/"+busy.ID, as201, "")
	if w := l.ask(t, "POST", "/v1/calls", as201, plain, withKey(`"k"`)); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestR08Malformed: the field is one string in double quotes.
func TestR08Malformed(t *testing.T) {
	l := newLab(t, nil, nil)
	for _, key := range []string{``, `k`, `"`, `""`, `"k`, `"k"x`, `"k";a=1`, `"k", "l"`, `"\k"`, "\"\x7f\"", `"` + strings.Repeat("k", 256) + `"`, `:aGk=:`} {
		wantProblem(t, key, l.ask(t, "POST", "/v1/calls", as201, plain, withKey(key)), http.StatusBadRequest, "invalid")
	}
	two := func(r *http.Request) { r.Header["Idempotency-Key"] = []string{`"k"`, `"k"`} }
	wantProblem(t, "two", l.ask(t, "POST", "/v1/calls", as201, plain, two), http.StatusBadRequest, "invalid")
	if n := len(l.Signals.Lines()); n != 0 {
		t.Fatalf("%d calls", n)
	}
	if w := l.ask(t, "POST", "/v1/calls", as201, plain, withKey(` "a \"b\" \\" `)); w.Code != http.StatusCreated {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestKeysEnd: a key is kept for a day, and the oldest is forgotten when there is no room.
func TestKeysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := v1.NewMemoryKeys(1 << 20)
		created := func(name string) bool {
			_, created, err := keys.Create(t.Context(), name, v1.Entry{})
			return created && err == nil
		}
		created("a")
		keys.Finish(t.Context(), "a", v1.Entry{}, []byte("{}"))
		time.Sleep(v1.KeyTime)
		if created("a") {
			t.Error("the key is forgotten too early")
		}
		time.Sleep(time.Second)
		if !created("a") {
			t.Error("the key is not forgotten")
		}
		for i := range 100 {
			created(strconv.Itoa(i))
			keys.Finish(t.Context(), strconv.Itoa(i), v1.Entry{}, make([]byte, 64<<10))
		}
		if created("99") || !created("0") {
			t.Error("the oldest has to be forgotten, and the newest not")
		}
		keys.Release(t.Context(), "99", v1.Entry{})
		if !created("99") {
			t.Error("a name that was released is there")
		}
	})
}
