package transaction

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/sip"
	"callcontroller/internal/timing"
)

// TestAnswered: what is kept is found for the time of Timer J and no longer, whatever its
// size; then no room is kept.
func TestAnswered(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			t := rt
			w := timing.New()
			defer w.Close()
			a := newAnswered(w)
			var all []kept
			for i := range rapid.IntRange(1, 300).Draw(t, "responses") {
				k := kept{key: serverKey{branch: fmt.Sprint("z9hG4bK", i), sentBy: "a:5060", method: sip.NOTIFY}, since: time.Now()}
				k.data = bytes.Repeat([]byte{byte(i)}, rapid.IntRange(0, 2000).Draw(t, "size"))
				if !a.add(k.key, k.data) {
					t.Fatal("it is not taken")
				}
				all = append(all, k)
				time.Sleep(time.Duration(rapid.IntRange(0, 400).Draw(t, "ms later")) * time.Millisecond)
			}
			for range 10 {
				check(t, a, all)
				time.Sleep(Timeout / 9)
			}
			if a.len() > 0 || len(a.chunks) > 0 {
				t.Errorf("%d are left in %d chunks", a.len(), len(a.chunks))
			}
		})
	})
}

type kept struct {
	key   serverKey
	data  []byte
	since time.Time
}

func check(t *rapid.T, a *answered, all []kept) {
	t.Helper()
	for _, k := range all {
		data, ok := a.get(k.key)
		if want := time.Since(k.since) <= Timeout; ok != want || ok && !bytes.Equal(data, k.data) {
			t.Fatalf("%s: found %t with %d bytes after %v, want %t with %d", k.key.branch, ok, len(data), time.Since(k.since), want, len(k.data))
		}
		other := k.key
		other.method = sip.BYE
		if a.has(other) {
			t.Fatal("another method is found")
		}
	}
}

// TestAnsweredTooLarge: what would waste the room of a chunk stays a transaction.
func TestAnsweredTooLarge(t *testing.T) {
	w := timing.New()
	defer w.Close()
	a := newAnswered(w)
	if a.add(serverKey{branch: "b"}, []byte(strings.Repeat("x", entrySize))) || a.len() > 0 {
		t.Error("it is taken")
	}
}
