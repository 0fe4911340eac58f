package digest

import (
	"fmt"
	"sync"
	"testing"

	"callcontroller/internal/secret"
)

func TestCacheIsBounded(t *testing.T) {
	c := NewCache(3)
	nth := func(i int) *Attempt {
		return c.NewAttempt(Credentials{Username: fmt.Sprint("user", i), Password: secret.New("p")}, host)
	}
	for i := range 3 {
		mustRetry(t, nth(i), 407, "INVITE", challenge("px", "n", ""))
	}
	if nth(0).Preemptive("INVITE", uri) == nil { // Used again: user1 is now the oldest.
		t.Fatal("user0 is not in the cache")
	}
	mustRetry(t, nth(3), 407, "INVITE", challenge("px", "n", ""))
	for i, want := range []bool{true, false, true, true} {
		if got := nth(i).Preemptive("INVITE", uri) != nil; got != want {
			t.Errorf("user%d in the cache: %v, want %v", i, got, want)
		}
	}
	if c.Len() != 3 || len(c.accounts) != 3 {
		t.Errorf("%d realms of %d accounts, want 3 of 3", c.Len(), len(c.accounts))
	}
}

// Somebody who challenges with ever new realms fills four places, not the cache.
func TestCacheIsBoundedForOneAccount(t *testing.T) {
	c := NewCache(0)
	for i := range 100 {
		mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge(fmt.Sprint("realm", i), "n", ""))
	}
	if c.Len() != maxRealms {
		t.Errorf("%d realms, want %d", c.Len(), maxRealms)
	}
	if got := len(c.NewAttempt(agent(), host).Preemptive("INVITE", uri)); got != maxRealms {
		t.Errorf("first try has %d fields, want %d", got, maxRealms)
	}
}

// Each count of a nonce goes out once, also when answers overtake each other and the server hands out few nonces.
func TestNonceCountIsNeverUsedTwice(t *testing.T) {
	const workers, requests = 8, 300
	c := NewCache(0)
	sent := make(chan string, workers*requests)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range requests {
				a := c.NewAttempt(agent(), host)
				fields := a.Preemptive("INVITE", uri)
				if (i+w)%3 == 0 { // The nonce may be the one that was tried (that is stale=true) or another one.
					value := challenge("px", fmt.Sprint("n", (i+w)%maxRecent), ", stale=true")
					fields, _ = a.Retry(407, []string{value}, "INVITE", uri)
				}
				for _, f := range fields {
					got := readAnswer(t, f)
					sent <- got["nonce"] + " " + got["nc"]
				}
			}
		})
	}
	wg.Wait()
	close(sent)
	seen := make(map[string]bool)
	for s := range sent {
		if seen[s] {
			t.Fatalf("nonce and count %s were used twice", s)
		}
		seen[s] = true
	}
	if len(seen) < workers*requests/2 {
		t.Fatalf("only %d requests carried credentials", len(seen))
	}
}

func TestNonceCountHasEightDigits(t *testing.T) {
	for n, want := range map[uint32]string{1: "00000001", 0xabcdef: "00abcdef", 0xffffffff: "ffffffff"} {
		if got := hexCount(n); got != want {
			t.Errorf("hexCount(%d) = %s, want %s", n, got, want)
		}
	}
}

func BenchmarkPreemptive(b *testing.B) {
	c := NewCache(0)
	if _, err := c.NewAttempt(agent(), host).Retry(407, []string{challenge("px", "n", "")}, "INVITE", uri); err != nil {
		b.Fatal(err)
	}
	cred := agent()
	b.ReportAllocs()
	for b.Loop() {
		if c.NewAttempt(cred, host).Preemptive("INVITE", uri) == nil {
			b.Fatal("no credentials")
		}
	}
}

func BenchmarkRetry(b *testing.B) {
	c := NewCache(0)
	cred := agent()
	values := []string{challenge("px", "4f2b0d9a4f2b0d9a", `, algorithm=SHA-256, opaque="1"`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.NewAttempt(cred, host).Retry(407, values, "INVITE", uri); err != nil {
			b.Fatal(err)
		}
	}
}

// What every request of a busy server costs must stay small.
func TestAllocationsOfARequest(t *testing.T) {
	c := NewCache(0)
	mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge("px", "n", ""))
	cred := agent()
	got := testing.AllocsPerRun(100, func() { c.NewAttempt(cred, host).Preemptive("INVITE", uri) })
	if got > 10 {
		t.Errorf("%.0f allocations for a request with a known nonce, want at most 10", got)
	}
}

// Answers that overtake each other bring an older nonce back: its count goes on. Beyond the few that are remembered it begins anew.
func TestRecentNoncesKeepTheirCount(t *testing.T) {
	c := NewCache(0)
	challenged := func(nonce string) string {
		return readAnswer(t, mustRetry(t, c.NewAttempt(agent(), host), 407, "INVITE", challenge("px", nonce, ""))[0])["nc"]
	}
	for i, tt := range []struct{ nonce, want string }{
		{"a", "00000001"},
		{"b", "00000001"},
		{"a", "00000002"},
		{"c", "00000001"},
		{"d", "00000001"},
		{"b", "00000002"},
		{"e", "00000001"},
		{"a", "00000001"},
	} {
		if got := challenged(tt.nonce); got != tt.want {
			t.Errorf("%d: nonce %s has count %s, want %s", i, tt.nonce, got, tt.want)
		}
	}
}
