package auth_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/auth"
)

// budget is what a source or a name has by default: 20 failures at once, one a minute.
const (
	perHour = 60
	burst   = perHour / 3
)

// town is a server that counts, asked from many places by Basic.
type town struct {
	*testing.T
	chain auth.Chain
}

func newTown(t *testing.T) town {
	t.Helper()
	c := config(people)
	c.Guard = auth.NewGuard(perHour)
	return town{t, auth.Chain{auth.NewDigest(c, both, false), auth.NewBasic(c)}}
}

// login gives "in", "wrong" or "slow", and how long to wait.
func (w town) login(source, name, pin string) (string, time.Duration) {
	_, err := w.chain.Authenticate(request(overTLS, source+":1234", basic(name+":"+pin)))
	slow, isSlow := errors.AsType[*auth.SlowDownError](err)
	switch {
	case err == nil:
		return "in", 0
	case isSlow:
		return "slow", slow.After
	}
	return "wrong", 0
}

func (w town) wants(want, source, name, pin string) {
	w.Helper()
	if got, _ := w.login(source, name, pin); got != want {
		w.Errorf("%s from %s with %s: %s, want %s", name, source, pin, got, want)
	}
}

// minute sends 1,000 wrong PINs, evenly, and counts those that were looked at. After
// each comes another log-in.
func (w town) minute(attack func(i int) (source, name string), then func()) (looked int) {
	for i := range 1000 {
		source, name := attack(i)
		if got, _ := w.login(source, name, fmt.Sprint("wrong", i)); got == "wrong" {
			looked++
		}
		then()
		time.Sleep(60 * time.Millisecond)
	}
	return looked
}

func TestZ10ManySourcesOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.wants("in", "192.0.2.1", "201", "1234")
		looked := w.minute(func(i int) (string, string) { return fmt.Sprintf("198.51.%d.%d", i>>8, i&255), "201" }, func() {
			w.wants("in", "192.0.2.1", "201", "1234")
			w.wants("in", "203.0.113.5", "206", "1234")
		})
		if looked > burst+1 {
			t.Errorf("%d of 1000 PINs were looked at", looked)
		}
		w.wants("wrong", "198.51.100.1", "201", "x") // what the minute has given back
		w.wants("slow", "192.0.2.2", "201", "1234")  // a right PIN says nothing either
		_, wait := w.login("192.0.2.2", "201", "1234")
		if wait <= 0 || wait > time.Minute {
			t.Errorf("wait %s", wait)
		}
		time.Sleep(wait)
		w.wants("in", "192.0.2.2", "201", "1234")
	})
}

func TestZ10OneSourceManyUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.wants("in", "[2001:db8::1]", "201", "1234") // somebody behind the same network
		looked := w.minute(func(i int) (string, string) { return fmt.Sprintf("[2001:db8::%x]", i+1), strconv.Itoa(1000 + i) }, func() {
			w.wants("in", "[2001:db8::2]", "201", "1234")
			w.wants("in", "[2001:db8:0:1::1]", "206", "1234")
		})
		if looked > burst+1 {
			t.Errorf("%d of 1000 PINs were looked at", looked)
		}
		w.wants("wrong", "[2001:db8::4]", "999", "x") // what the minute has given back
		w.wants("slow", "[2001:db8::3]", "202", "a:b::")
		time.Sleep(time.Minute)
		w.wants("in", "[2001:db8::3]", "202", "a:b::")
	})
}

// Whoever is known at a source has his own budget there, which is no larger.
func TestZ10GuessingWhereTheUserIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.wants("in", "192.0.2.1", "201", "1234")
		looked := w.minute(func(int) (string, string) { return "192.0.2.1", "201" }, func() {})
		if looked > burst+1 {
			t.Errorf("%d of 1000 PINs were looked at", looked)
		}
		w.wants("wrong", "192.0.2.1", "201", "x") // what the minute has given back
		w.wants("slow", "192.0.2.1", "201", "1234")
		w.wants("in", "192.0.2.1", "202", "a:b::") // his failures are not those of his neighbours
		w.wants("in", "192.0.2.2", "201", "1234")  // nor are they his elsewhere
		time.Sleep(24 * time.Hour)
		for range burst {
			w.wants("wrong", "192.0.2.1", "201", "x")
		}
		w.wants("slow", "192.0.2.1", "202", "a:c") // a day later it is a source like any other
	})
}

func TestZ10NamesOfNobodyAndAliasesAreAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		for _, name := range []string{"201", "alice", "203", "205", "999"} {
			for i := range burst {
				w.wants("wrong", fmt.Sprintf("198.51.100.%d", i), name, "x")
			}
			w.wants("slow", "192.0.2.99", name, "x")
			time.Sleep(time.Hour) // for the sources
		}
	})
}

func TestZ10RightLoginsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		for i := range 10 * burst {
			w.wants("in", "192.0.2.1", "201", "1234")
			w.wants("in", fmt.Sprintf("198.51.100.%d", i), "202", "a:b::")
		}
		off := newTown(t)
		off.chain = auth.Chain{auth.NewBasic(config(people))} // login_failures: 0
		if looked := off.minute(func(int) (string, string) { return "192.0.2.1", "201" }, func() {}); looked != 1000 {
			t.Errorf("%d of 1000", looked)
		}
	})
}

// An old nonce is no way around: that it is stale is told to who may be told that the
// response is right. Neither it nor a foreign one costs anything.
func TestZ10DigestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		l := lab{t, w.chain}
		a := answerTo(t, l.challenges())
		time.Sleep(time.Hour)
		foreign := answerTo(t, newLab(t, digestUsers, both, false).challenges())
		for range 2 * burst {
			l.wants(a, auth.ErrStale)
			l.wants(foreign, auth.ErrRefused)
		}
		for range burst {
			l.wants(a.with(func(a *answer) { a.pin = "x" }), auth.ErrRefused)
		}
		if _, err := l.send(a.header()); errors.Is(err, auth.ErrStale) || errors.Is(err, auth.ErrRefused) || err == nil {
			t.Errorf("a right response with an old nonce: %v", err)
		}
		w.wants("slow", "192.0.2.7", "202", "a:b::") // Basic from the same source
	})
}

func TestGuardAtTheSameTime(t *testing.T) {
	w := newTown(t)
	var (
		mu     sync.Mutex
		looked int
		all    sync.WaitGroup
	)
	for range 8 {
		all.Go(func() {
			for range 100 {
				if got, _ := w.login("192.0.2.1", "201", "x"); got == "wrong" {
					mu.Lock()
					looked++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if looked < burst || looked > burst+8 { // one a goroutine may slip through
		t.Errorf("%d of 800 PINs were looked at", looked)
	}
}
