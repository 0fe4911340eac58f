// Package crash kills the real program with SIGKILL in the middle of calls, starts it
// again, and looks at what the phones and the clients have of it (rows R08, X13, X14).
package crash
