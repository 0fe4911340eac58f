// Package soak makes many calls at once over real UDP sockets and a bad network: a
// relay between the server and the phones loses, doubles, delays and reorders what
// both say. It checks that every call ends, what must hold on the wire whatever is
// lost, and that nothing is left.
//
// "go test" makes a few calls in mild weather. "make soak" makes a thousand in each
// mode at 30 % loss, and waits until the last transaction has lapsed.
package soak
