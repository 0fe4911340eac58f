package signature_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/secret"
	"callcontroller/internal/webhook/signature"
)

func mustParse(t *testing.T, text string) signature.Secret {
	t.Helper()
	s, err := signature.Parse(secret.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encoded(n int) string {
	return signature.Prefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n))
}

// The example that the libraries of Standard Webhooks are tested with.
func TestPublishedExample(t *testing.T) {
	s := mustParse(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	body, at := []byte(`{"test": 2432232314}`), time.Unix(1614265330, 999)
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := signature.Header([]signature.Secret{s}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHeaderHasASignatureForEachSecret(t *testing.T) {
	a, b := mustParse(t, encoded(24)), mustParse(t, encoded(64))
	at := time.Unix(1, 0)
	both := signature.Header([]signature.Secret{a, b}, "id", at, nil)
	one := signature.Header([]signature.Secret{a}, "id", at, nil)
	other := signature.Header([]signature.Secret{b}, "id", at, nil)
	if both != one+" "+other || one == other {
		t.Errorf("%q and %q together are %q", one, other, both)
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{encoded(24), ""},
		{encoded(64), ""},
		{encoded(23), "has 23 bytes behind its base64; it must have 24 to 64, chosen at random"},
		{encoded(65), "has 65 bytes behind its base64; it must have 24 to 64, chosen at random"},
		{"", "must start with whsec_"},
		{strings.TrimPrefix(encoded(24), "whsec_"), "must start with whsec_"},
		{strings.TrimRight(encoded(25), "="), "must be base64 behind whsec_, with the = at its end if any"},
		{encoded(24) + "\n", "must be base64 behind whsec_, with the = at its end if any"},
		{encoded(24)[:30] + "\n" + encoded(24)[30:], "must be base64 behind whsec_, with the = at its end if any"},
		{"whsec_" + strings.Repeat("-_", 16), "must be base64 behind whsec_, with the = at its end if any"},
	} {
		_, err := signature.Parse(secret.New(tt.text))
		if err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// Row Z20: a secret does not print.
func TestZ20SecretOfAWebhookIsMasked(t *testing.T) {
	s := mustParse(t, encoded(24))
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(form, s); strings.Contains(got, "\xfb") || strings.Contains(got, "fbfb") || strings.Contains(got, "+/v7") {
			t.Errorf("%s prints %s", form, got)
		}
	}
}

// Whatever is read has the right length and is written as it was read; what is not read
// does not show in the error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{encoded(24), encoded(64), encoded(23), "whsec_", "whsk_AAAA", encoded(24) + "=", "whsec_\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := signature.Parse(secret.New(text))
		if err != nil {
			if hidden := strings.TrimPrefix(text, signature.Prefix); len(hidden) > 8 && strings.Contains(err.Error(), hidden) {
				t.Errorf("the error tells the secret: %v", err)
			}
			return
		}
		if got := s.Text().Reveal(); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}
