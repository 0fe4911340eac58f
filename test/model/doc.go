// Package model drives the whole SIP side of the server, in virtual time, with phones
// that do at random what phones and people do, over a network that loses, doubles,
// delays and reorders; and checks what must hold whatever happens.
//
// A failure prints the seed that repeats it, and is shrunk to the shortest schedule
// that still fails (pgregory.net/rapid). What was found so stands as a scenario of its
// own in test/conformance or internal/call.
package model
