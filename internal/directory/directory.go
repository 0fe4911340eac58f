// Package directory owns what the program knows of a user. Where users come from
// is the matter of the packages below it (file); who asks for them declares the
// interface it needs. The package starts no goroutine and keeps no state.
package directory

import "callcontroller/internal/secret"

// User is a person or a device that may place calls. Its YAML form is that of the
// users file, with the secrets masked.
//
// The PIN is the HTTP password. It is kept in plain text, or as hashes: then PIN is
// empty, and PINHA1 serves Digest and Basic, PINHash Basic only. A user who has none of
// the three cannot log in.
type User struct {
	Name        string        `yaml:"name"`
	Aliases     []string      `yaml:"aliases,omitempty"`      // other names for the same user; read only
	DisplayName string        `yaml:"display_name,omitempty"` // stands before the address in From; "" for none
	Identity    string        `yaml:"identity"`               // user@host of the From URI, without "sip:"
	PIN         secret.Text   `yaml:"pin,omitempty"`
	PINHA1      []secret.Text `yaml:"pin_ha1,omitempty"`  // lower-case hex of H(name:realm:PIN), at most one of MD5 and one of SHA-256; read only
	PINHash     secret.Text   `yaml:"pin_hash,omitempty"` // argon2id in PHC form
	Admin       bool          `yaml:"admin,omitempty"`    // may act for any user
	Disabled    bool          `yaml:"disabled,omitempty"` // cannot log in, whatever PIN he has
	SIP         Credentials   `yaml:"sip,omitempty"`
}

// Credentials answer a digest challenge (RFC 8760) for a user. At most one of
// Password and HA1 is set; when none is, the server's own account has to answer.
type Credentials struct {
	Username string      `yaml:"username,omitempty"`
	Password secret.Text `yaml:"password,omitempty"`
	HA1      secret.Text `yaml:"ha1,omitempty"` // lower-case hex of H(username:realm:password), 32 digits for MD5, 64 for SHA-256
}

// IsZero tells whether there are no credentials.
func (c Credentials) IsZero() bool { return c.Password.IsEmpty() && c.HA1.IsEmpty() }
