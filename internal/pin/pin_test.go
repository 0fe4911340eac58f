package pin_test

import (
	"fmt"
	"strings"
	"testing"

	"callcontroller/internal/pin"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
)

// The example of RFC 7616 section 3.9.1; the hashes come from md5sum and sha256sum.
func TestHA1s(t *testing.T) {
	got := pin.HA1s("Mufasa", "http-auth@example.org", secret.New("Circle of Life"))
	want := []string{"7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232", "3d78807defe7de2157e2b0b6573a855f"}
	for i, ha1 := range got {
		if ha1.Reveal() != want[i] {
			t.Errorf("%d is %s, want %s", i, ha1.Reveal(), want[i])
		}
	}
	if sha, _ := pin.HashOf(got[0]); sha != rfc7616.SHA256 || pin.FindHA1(got, rfc7616.MD5).Reveal() != want[1] || !pin.FindHA1(got[:1], rfc7616.MD5).IsEmpty() {
		t.Error("not found by its hash")
	}
	for _, text := range []string{"", "abc", strings.Repeat("g", 32), strings.Repeat("a", 40)} {
		if hash, ok := pin.HashOf(secret.New(text)); ok {
			t.Errorf("%q is of %s", text, hash)
		}
	}
}

// known was made by the reference implementation: echo -n 1234 | argon2 somesalt -id -t 2 -k 256 -p 1 -e.
const known = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE"

func TestHashAndBack(t *testing.T) {
	made := pin.NewHash(secret.New("пин"))
	read, err := pin.ParseHash(made.Text())
	if err != nil || !read.Matches(secret.New("пин")) || read.Matches(secret.New("пин ")) || read.Compare(made) != 0 {
		t.Errorf("%s: %v", made.Text().Reveal(), err)
	}
	if again := pin.NewHash(secret.New("пин")); again.Text().Equal(made.Text()) {
		t.Error("the same salt again")
	}
	if printed := fmt.Sprintf("%v %+v %s", made.Text(), made.Text(), made.Text()); strings.Contains(printed, "argon2") {
		t.Error("printed:", printed)
	}
}

func TestHashOfTheReferenceImplementation(t *testing.T) {
	hash, err := pin.ParseHash(secret.New(known))
	if err != nil || !hash.Matches(secret.New("1234")) || hash.Matches(secret.New("1235")) {
		t.Errorf("%v", err)
	}
	if dear := pin.NewHash(secret.New("1234")); dear.Compare(hash) <= 0 || hash.Compare(dear) >= 0 {
		t.Error("the order of cost is wrong")
	}
}

// A file cannot ask for more than a server can bear, nor for less than a hash is.
func TestHashesThatAreRefused(t *testing.T) {
	good := strings.Split(known, "$")
	for _, tt := range []struct {
		part       int
		text, want string
	}{
		{1, "argon2i", "must have the form"},
		{2, "v=16", "must have the form"},
		{3, "m=256,t=2", "must have m=..,t=..,p=.."},
		{3, "t=2,m=256,p=1", "must have m= and a number from 1 to 262144"},
		{3, "m=262145,t=1,p=1", "must have m= and a number from 1 to 262144"},
		{3, "m=256,t=17,p=1", "must have t= and a number from 1 to 16"},
		{3, "m=256,t=2,p=0", "must have p= and a number from 1 to 16"},
		{3, "m=262144,t=5,p=1", "m times t may be 1048576 at most"},
		{3, "m=16,t=2,p=4", "at least eight times p"},
		{4, "c29tZXNhbHQ=", "a salt that is not base64"},
		{4, "c29t", "a salt that is not of 8 to 64 bytes"},
		{5, "c29tZXNhbHQ", "a hash that is not of 16 to 64 bytes"},
	} {
		parts := append([]string(nil), good...)
		parts[tt.part] = tt.text
		_, err := pin.ParseHash(secret.New(strings.Join(parts, "$")))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), good[5]) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
	for _, text := range []string{"", "1234", known + "$", "x" + known} {
		if _, err := pin.ParseHash(secret.New(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func BenchmarkNewHash(b *testing.B) {
	for b.Loop() {
		pin.NewHash(secret.New("1234"))
	}
}
