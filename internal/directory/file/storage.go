package file

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"callcontroller/internal/pin"
	"callcontroller/internal/secret"
)

// Storage is a form in which a PIN can be kept.
type Storage string

// The forms: the HA1s of SHA-256 and MD5, for Digest and Basic; argon2id, for Basic
// only; and the PIN itself.
const (
	HA1      Storage = "ha1"
	Argon2id Storage = "argon2id"
	Plain    Storage = "plain"
)

// fields are the keys and values of a user whose PIN is kept so.
func (s Storage) fields(name, realm string, text secret.Text) ([]*yaml.Node, error) {
	if text.IsEmpty() {
		return nil, errors.New("the PIN is empty, and a user without one cannot log in")
	}
	if reason := checkSecret(text); reason != "" {
		return nil, fmt.Errorf("the PIN %s", reason)
	}
	switch s {
	case Plain:
		return []*yaml.Node{word("pin"), quoted(text.Reveal())}, nil
	case Argon2id:
		return []*yaml.Node{word("pin_hash"), quoted(pin.NewHash(text).Text().Reveal())}, nil
	case HA1:
		if realm == "" {
			return nil, errors.New("an HA1 is made for a realm, and none is given")
		}
		var texts []string
		for _, ha1 := range pin.HA1s(name, realm, text) {
			texts = append(texts, ha1.Reveal())
		}
		return []*yaml.Node{word("pin_ha1"), list(texts)}, nil
	}
	return nil, fmt.Errorf("a PIN cannot be stored as %q: it must be %s, %s or %s", string(s), HA1, Argon2id, Plain)
}
