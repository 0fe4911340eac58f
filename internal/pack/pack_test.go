package pack_test

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"

	"callcontroller/internal/pack"
)

// What was written is read again, and whatever is cut off is told.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number, signed := rapid.Uint64().Draw(t, "number"), rapid.Int64().Draw(t, "signed")
		yes, no, text := rapid.Bool().Draw(t, "yes"), rapid.Bool().Draw(t, "no"), rapid.String().Draw(t, "text")
		b := pack.String(pack.Bools(pack.Int(pack.Uint(nil, number), signed), yes, no), text)
		read := func(b []byte) (uint64, int64, bool, bool, string, error) {
			r := pack.NewReader(b)
			var y, n bool
			u, i := r.Uint(math.MaxUint64), r.Int()
			r.Bools(&y, &n)
			s := r.String()
			return u, i, y, n, s, r.Err()
		}
		if u, i, y, n, s, err := read(b); err != nil || u != number || i != signed || y != yes || n != no || s != text {
			t.Fatalf("read %d %d %t %t %q, %v", u, i, y, n, s, err)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, _, _, _, s, err := read(b[:cut]); err == nil || s != "" {
			t.Fatalf("cut off at %d of %d: %q, %v", cut, len(b), s, err)
		}
	})
}

// TestEnclose: a text that was added in place is read like any other, whatever its length.
func TestEnclose(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 127, 128, 20000} {
		text := bytes.Repeat([]byte("x"), n)
		got := pack.Enclose(append([]byte("before"), text...), len("before"))
		if want := pack.String([]byte("before"), text); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d, want %d", n, len(got), len(want))
		}
	}
}

func TestNumberOutOfRange(t *testing.T) {
	t.Parallel()
	r := pack.NewReader(pack.Uint(nil, uint8(4)))
	if v := r.Uint(3); v != 0 || r.Err() == nil {
		t.Errorf("read %d, %v", v, r.Err())
	}
}

// Whatever is read, nothing goes wrong.
func FuzzReader(f *testing.F) {
	f.Add(pack.String(nil, "text"))
	f.Add(bytes.Repeat([]byte{0xff}, 12))
	f.Fuzz(func(_ *testing.T, b []byte) {
		r := pack.NewReader(b)
		for r.Err() == nil {
			_ = r.Bytes()
			_ = r.Int()
			_ = r.Uint(math.MaxUint64)
		}
	})
}
