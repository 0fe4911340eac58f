package sandbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // what a test waits for something that must come

// eventually polls what no channel tells.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			tb.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// world is a sandbox and what was traced there.
type world struct {
	*sandbox.Sandbox
	t testing.TB

	mu     sync.Mutex
	traced []sandbox.Traced
	lines  []string
}

// start makes the world of the demonstration, in which phones answer at once and
// talk for ever, changed by edit.
func start(tb testing.TB, edit func(*sandbox.Options)) *world {
	tb.Helper()
	o := sandbox.Demo()
	for i := range o.Phones {
		o.Phones[i].After, o.Phones[i].Talk = 0, 0
	}
	w := &world{t: tb}
	o.Trace = func(m sandbox.Traced) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.traced = append(w.traced, m)
	}
	o.Event = func(line string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, line)
	}
	if edit != nil {
		edit(&o)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	s, err := sandbox.Start(ctx, o)
	if err != nil {
		tb.Fatalf("Start: %v", err)
	}
	w.Sandbox = s
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
		if tb.Failed() {
			tb.Logf("trace:\n%s", w.trace())
		}
	})
	return w
}

func (w *world) trace() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, m := range w.traced {
		fmt.Fprintln(&b, m)
	}
	for _, l := range w.lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

// saw tells whether a line of the phones' story has come.
func (w *world) saw(line string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		if strings.Contains(l, line) {
			return true
		}
	}
	return false
}

// count tells how many messages were traced that ok likes.
func (w *world) count(ok func(sandbox.Traced) bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, m := range w.traced {
		if ok(m) {
			n++
		}
	}
	return n
}

// display is what a phone shows, without what differs each time.
func (w *world) display(user string) []string {
	var shown []string
	for _, c := range w.Phone(user).Calls() {
		shown = append(shown, string(c.State)+" "+c.Peer)
	}
	return shown
}

// shows waits until a phone shows just these calls.
func (w *world) shows(user string, want ...string) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		diff := cmp.Diff(want, w.display(user))
		if diff == "" {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("display of %s (-want +got):\n%s", user, diff)
		}
	}
}

func (w *world) dial(user, uri string) {
	w.t.Helper()
	if err := w.Phone(user).Dial(uri); err != nil {
		w.t.Fatalf("Dial: %v", err)
	}
}

func TestPhonesCallEachOther(t *testing.T) {
	w := start(t, nil)
	w.dial("201", "sip:202@demo.test")
	w.shows("201", "talking sip:202@demo.test")
	w.shows("202", "talking sip:201@demo.test")
	w.Phone("202").HangUp()
	w.shows("201")
	w.shows("202")
	eventually(t, "the proxy forgets the call", func() bool { return w.Proxy().Calls() == 0 })
}

func TestPhonesOverTCP(t *testing.T) {
	w := start(t, func(o *sandbox.Options) {
		o.Phones[0].Protocol = transport.TCP
	})
	for _, pair := range [][2]string{{"201", "202"}, {"202", "201"}} {
		w.dial(pair[0], "sip:"+pair[1]+"@demo.test")
		w.shows(pair[1], "talking sip:"+pair[0]+"@demo.test")
		w.shows(pair[0], "talking sip:"+pair[1]+"@demo.test")
		w.Phone(pair[1]).HangUp()
		w.shows(pair[0])
		w.shows(pair[1])
	}
}

func TestCallThatIsNotAnswered(t *testing.T) {
	for _, c := range []struct{ called, says string }{
		{"203", "201 is refused by sip:203@demo.test: 486 Busy Here"},
		{"299", "201 is refused by sip:299@demo.test: 404 Not Found"},
		{"205", "201 is refused by sip:205@demo.test: 480 Temporarily Unavailable"},
	} {
		t.Run(c.called, func(t *testing.T) {
			w := start(t, nil)
			w.dial("201", "sip:"+c.called+"@demo.test")
			eventually(t, c.says, func() bool { return w.saw(c.says) })
			w.shows("201")
		})
	}
}

func TestCancel(t *testing.T) {
	w := start(t, nil)
	w.dial("201", "sip:204@demo.test")
	w.shows("201", "ringing sip:204@demo.test")
	w.shows("204", "ringing sip:201@demo.test")
	w.Phone("201").HangUp()
	w.shows("204")
	w.shows("201")
	eventually(t, "the proxy forgets the call", func() bool { return w.Proxy().Calls() == 0 })
	if !w.saw("204 stops ringing: the caller gave up") {
		t.Error("204 was not told")
	}
}
