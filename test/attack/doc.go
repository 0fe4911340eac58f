// Package attack runs the real program and attacks it, row by row of section 7 of
// docs/conformance.md: over HTTP and HTTPS as a stranger and as a user who wants more
// than he may, over SIP as somebody who has no part in any call. tshark captures all
// the while what leaves, which is the proof that a refusal was one: no SIP request, and
// nothing to the hosts that were named.
//
// It needs tshark and the right to capture; without, or with INTEROP=off, it says so and
// is skipped. "make attack" shows the rows and what each attack got.
package attack
