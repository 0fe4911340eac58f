// Package journal owns the event log of the server: every step of every call, in order,
// on NATS JetStream. Status pages, event streams, webhooks and recovery read it. It
// also owns a small store of keys with compare-and-set, for which JetStream is there
// anyway. It does not know what a call is: it carries bytes.
//
// Without a list of servers the journal runs a NATS server in this process, which opens
// no port and handles no signal, and keeps its files in a directory. With one, the
// stream is on those servers, and the code path is the same.
//
// Append never waits for a disk or a network. Entries of all calls that come within
// some milliseconds are one message, and one message is under way at a time, so that
// the order of Append is the order of the log. A message whose acknowledgement does
// not come is sent again, for as long as it takes, and stored once.
//
// Who cannot wait so long asks Secure: what is not in the log yet is written to files ahead
// of it, in microseconds, and brought into the log by the next Open if need be.
//
// What was acknowledged outlives a SIGKILL of this process: it is in the kernel's
// memory or on the disk. What a power cut loses is Config.Sync.
//
// Goroutines: one writer for each Journal, one for the files ahead, and those of the NATS client and server.
// Close ends all of them. Read and Worker run on the goroutine of their caller.
package journal
