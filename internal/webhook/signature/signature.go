// Package signature owns how a webhook is signed: by HMAC-SHA256 with a secret that both
// sides know, as the specification of Standard Webhooks (version 1.0.0, "Verifying
// webhook authenticity") has it. Asymmetric signatures are not made. The package starts
// no goroutine and keeps no state.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/secret"
)

// Prefix starts every secret, so that one is known where it lies about.
const Prefix = "whsec_"

// What the specification asks of a secret, in bytes.
const (
	least = 24
	most  = 64
)

// encoding takes one text only for each secret.
var encoding = base64.StdEncoding.Strict()

// Secret is what one endpoint and this server share. It prints as "***". Use Parse.
type Secret struct{ key secret.Text }

// Parse reads "whsec_" and 24 to 64 bytes in base64, with its padding. The error says
// which rule is broken, and nothing of the text.
func Parse(text secret.Text) (Secret, error) {
	encoded, ok := strings.CutPrefix(text.Reveal(), Prefix)
	if !ok {
		return Secret{}, errors.New("must start with " + Prefix)
	}
	key, err := encoding.DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder passes over
		return Secret{}, errors.New("must be base64 behind " + Prefix + ", with the = at its end if any")
	}
	if len(key) < least || len(key) > most {
		return Secret{}, fmt.Errorf("has %d bytes behind its base64; it must have %d to %d, chosen at random", len(key), least, most)
	}
	return Secret{secret.New(string(key))}, nil
}

// Text gives the secret in the form that Parse reads.
func (s Secret) Text() secret.Text {
	return secret.New(Prefix + encoding.EncodeToString([]byte(s.key.Reveal())))
}

// Header gives the value of the field webhook-signature: a signature for each secret. id
// has no full stop in it; at is the time of the attempt.
func Header(secrets []Secret, id string, at time.Time, body []byte) string {
	signatures := make([]string, 0, len(secrets))
	for _, s := range secrets {
		signatures = append(signatures, s.sign(id, at, body))
	}
	return strings.Join(signatures, " ")
}

func (s Secret) sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.key.Reveal()))
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
