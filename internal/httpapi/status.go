package httpapi

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"time"

	"callcontroller/internal/call"
)

// statuses is the one table from the kind of an error to an HTTP status.
var statuses = [...]int{
	call.Internal:  http.StatusInternalServerError,
	call.Invalid:   http.StatusBadRequest,
	call.Denied:    http.StatusForbidden,
	call.NotAgent:  http.StatusForbidden,
	call.Missing:   http.StatusNotFound,
	call.Conflict:  http.StatusConflict,
	call.Exhausted: http.StatusServiceUnavailable,
	call.Limited:   http.StatusTooManyRequests,
	call.BadUser:   http.StatusForbidden,
	call.BadMethod: http.StatusNotAcceptable,

	call.OutOfScope: http.StatusForbidden,
}

// Status is the HTTP status of an error of that kind.
func Status(k call.Kind) int {
	if int(k) >= len(statuses) {
		return http.StatusInternalServerError
	}
	return statuses[k]
}

// retryAfter is what a 429 or 503 tells the client to wait when nobody knows better.
const retryAfter = 10 * time.Second

// RetryAfter is the value of the field Retry-After for an error, "" when its status has
// none.
func RetryAfter(err error) string {
	switch Status(call.KindOf(err)) {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
	default:
		return ""
	}
	if e, ok := errors.AsType[*call.Error](err); ok {
		return Seconds(cmp.Or(e.RetryAfter, retryAfter))
	}
	return Seconds(retryAfter)
}

// Challenge is the value of the field WWW-Authenticate for an error of the use cases, ""
// for none: a token is good, but not for that (RFC 6750 section 3.1).
func Challenge(err error) string {
	e, ok := errors.AsType[*call.Error](err)
	if !ok || e.Kind != call.OutOfScope {
		return ""
	}
	return `Bearer error="insufficient_scope", scope="` + e.Scope + `"`
}

// Seconds writes a time as Retry-After has it, rounded up (RFC 9110 section 10.2.3).
func Seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
