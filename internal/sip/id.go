package sip

import (
	"crypto/rand"
	"encoding/hex"
)

// NewTag makes a From or To tag of 64 random bits (RFC 3261 section 19.3 wants 32).
func NewTag() string { return random(8) }

// NewCallID makes a Call-ID of 128 random bits that tells nothing of this host.
func NewCallID() string { return random(16) }

// NewBranch makes the branch of a new transaction (RFC 3261 section 8.1.1.7).
func NewBranch() string { return MagicCookie + random(10) }

func random(n int) string {
	var b [16]byte
	rand.Read(b[:n]) // It never fails: since Go 1.24 it ends the program instead.
	return hex.EncodeToString(b[:n])
}
