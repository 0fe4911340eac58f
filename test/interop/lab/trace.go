package lab

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// tailLength is how much of a log TailFrom shows, in bytes.
const tailLength = 12000

// Size is how long a log is now; 0 when there is none yet.
func Size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TailFrom is the end of a log, without what was in it at offset already. A log
// that cannot be read says so.
func TailFrom(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	size := Size(path)
	if size < offset { // the program was started again
		offset = 0
	}
	cut := ""
	if size-offset > tailLength {
		cut = fmt.Sprintf("(%d bytes left out)\n", size-offset-tailLength)
		offset = size - tailLength
	}
	text, err := io.ReadAll(io.NewSectionReader(f, offset, size-offset))
	if err != nil {
		return err.Error()
	}
	return cut + terminalCodes.ReplaceAllString(string(text), "")
}

// Message is a SIP message in the trace of a SIPp agent.
type Message struct {
	Sent   bool
	Start  string // request line or status line
	CallID string
	Method string // of the CSeq
	From   string // URI
	Text   string
}

var (
	traceRule  = regexp.MustCompile(`(?m)^-{40,}.*\n`)
	headCallID = regexp.MustCompile(`(?mi)^(?:Call-ID|i):\s*(\S+)`)
	headCSeq   = regexp.MustCompile(`(?mi)^CSeq:\s*\d+\s+(\w+)`)
	headFrom   = regexp.MustCompile(`(?mi)^(?:From|f):[^\n]*?(sips?:[^>;\s]+)`)
)

// MessagesInTrace reads the trace that SIPp writes: after a line of dashes a line
// such as "UDP message sent (531 bytes):", an empty line, and the message.
func MessagesInTrace(text string) []Message {
	var messages []Message
	for _, part := range traceRule.Split(text, -1) {
		about, message, found := strings.Cut(part, "\n\n")
		if !found || !strings.Contains(about, "message") {
			continue
		}
		message = strings.ReplaceAll(message, "\r", "")
		start, _, _ := strings.Cut(message, "\n")
		messages = append(messages, Message{
			Sent: strings.Contains(about, "sent"), Start: start, Text: message,
			CallID: firstMatch(headCallID, message), Method: firstMatch(headCSeq, message), From: firstMatch(headFrom, message),
		})
	}
	return messages
}

func firstMatch(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// callsInTrace are the calls of an agent that have begun (a response to the
// INVITE was sent) and not ended (no refusal sent, no BYE).
func callsInTrace(text string) []Call {
	var order []string
	live := make(map[string]Call)
	for _, m := range MessagesInTrace(text) {
		if m.Method == "BYE" {
			delete(live, m.CallID)
			continue
		}
		status, isResponse := strings.CutPrefix(m.Start, "SIP/2.0 ")
		if !isResponse || !m.Sent || m.Method != "INVITE" {
			continue
		}
		if !slices.Contains(order, m.CallID) {
			order = append(order, m.CallID)
		}
		live[m.CallID] = Call{State: status, Peer: m.From, Talking: status[0] == '2'}
		if status[0] > '2' {
			delete(live, m.CallID)
		}
	}
	var calls []Call
	for _, id := range order {
		if c, ok := live[id]; ok {
			calls = append(calls, c)
		}
	}
	return calls
}
