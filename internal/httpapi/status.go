package httpapi

import (
	"net/http"

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
}

// Status is the HTTP status of an error of that kind.
func Status(k call.Kind) int {
	if int(k) >= len(statuses) {
		return http.StatusInternalServerError
	}
	return statuses[k]
}
