package legacy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"callcontroller/internal/call"
	"callcontroller/internal/httpapi"
)

// writeError answers with the error document (CONTRACT section 4).
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, code := statusOf(r.Context(), w, err)
	text := textOf(err)
	if text == "" {
		text = "internal error"
	}
	b := append(make([]byte, 0, 512), xmlProlog+"<processing-status"+xmlns+"<error-flag>ERROR</error-flag>\n<error-code>"...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, "</error-code>\n<error-text>"...)
	b = appendText(b, text)
	b = append(b, "</error-text>\n</processing-status>\n"...)
	writeXML(w, status, b)
}

// statusOf gives the HTTP status of an error, and the code inside the document. They
// differ for what is not possible in a call's state (CONTRACT 3.4, 3.7). It sets what
// the header says of the error, and puts one that is not for the client into the log.
func statusOf(ctx context.Context, w http.ResponseWriter, err error) (status, code int) {
	kind := call.KindOf(err)
	if kind == call.Internal {
		httpapi.SetError(ctx, err)
	}
	if kind == call.Conflict {
		return http.StatusNotAcceptable, http.StatusForbidden
	}
	status = httpapi.Status(kind)
	if after := httpapi.RetryAfter(err); after != "" {
		w.Header().Set("Retry-After", after)
	}
	if challenge := httpapi.Challenge(err); challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	return status, status
}

// textOf is what the user may read of an error, "" when that is nothing.
func textOf(err error) string {
	if e, ok := errors.AsType[*call.Error](err); ok && e.Kind != call.Internal {
		return e.Text
	}
	return ""
}

func invalid(format string, args ...any) error {
	return &call.Error{Kind: call.Invalid, Text: fmt.Sprintf(format, args...)}
}

// clip keeps foreign text in answers short.
func clip(s string) string {
	const longest = 64
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
