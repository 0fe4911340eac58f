package main

import (
	"errors"
	"net/http"

	"github.com/alecthomas/kong"

	"callcontroller/api"
	"callcontroller/client"
)

// The exit statuses, for scripts. What became of a call has one of its own: see outcomes.
const (
	exitError       = 1
	exitUsage       = 2
	exitDenied      = 11
	exitNoCall      = 12
	exitInterrupted = 130 // as a shell says of a program that Ctrl-C has ended
)

// outcomes are the exit statuses for how a call ended; what is not here is 0.
var outcomes = map[string]int{
	"busy": 3, "no_answer": 4, "rejected": 5, "unreachable": 6, "cancelled": 7, "timeout": 8, "failed": 9, "unknown": 10, "blocked": 13,
}

// exitHelp is the table of them, for --help.
const exitHelp = `Exit status: 0 done, or the call was completed; 1 error; 2 wrong use; of a call that was followed (call --watch or --wait, watch ID):
3 busy, 4 no answer, 5 rejected, 6 unreachable, 7 cancelled, 8 timeout, 9 failed, 10 unknown, 13 blocked by a rule; 11 it is not allowed; 12 there is no such call; 130 interrupted.`

// outcomeError is the result of a call whose parties were not put together. It has been
// told already.
type outcomeError string

func (o outcomeError) Error() string { return string(o) }

// errOf is nil for a call that went well.
func errOf(o *api.Outcome) error {
	if o == nil || outcomes[o.Result] == 0 {
		return nil
	}
	return outcomeError(o.Result)
}

var (
	errDenied      = errors.New("it is not allowed") // which has been told already, with the reason
	errInterrupted = errors.New("interrupted")
)

// statusOf is the exit status for how a command ended.
func statusOf(err error) int {
	o, followed := errors.AsType[outcomeError](err)
	_, usage := errors.AsType[*kong.ParseError](err)
	e, refused := errors.AsType[*client.Error](err)
	switch {
	case err == nil:
		return 0
	case followed:
		return outcomes[string(o)]
	case usage:
		return exitUsage
	case errors.Is(err, errDenied), refused && e.Problem.Status == http.StatusForbidden:
		return exitDenied
	case refused && e.Problem.Status == http.StatusNotFound:
		return exitNoCall
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	}
	return exitError
}

// isTold tells whether there is nothing to say about an error any more.
func isTold(err error) bool {
	_, followed := errors.AsType[outcomeError](err)
	return followed || errors.Is(err, errDenied)
}
