// Package chronicle tells what becomes of calls: the call as a resource, and each step
// as events, in the words of package api. It decides nothing, keeps nothing and starts no
// goroutine.
package chronicle
