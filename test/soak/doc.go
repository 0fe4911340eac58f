// Package soak runs many calls over real loopback sockets through a UDP relay that
// loses, doubles, delays and reorders datagrams (row X07). A few run with every test;
// "make soak" runs a thousand in each mode.
package soak
