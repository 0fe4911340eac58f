// Package conformance holds the server against the rows of the conformance bar,
// from outside: SIP messages on one side, the snapshot of the call on the other.
//
// The server's whole SIP side runs on a network in memory inside a synctest bubble,
// so time is virtual: a test of a 32 s timer takes microseconds and is exact. The
// phones are scripted in the tests, message by message, as text, so that they can
// be as wrong as the row says. Real programs are the matter of test/interop.
//
// Tests are named by the row that they check.
package conformance
