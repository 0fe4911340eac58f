package httpapi

import (
	"net/http"
	"strings"
	"time"
)

// shed refuses new calls that the server has no time for, before anything is done for
// them: not even a line is logged for each, which would be work again. All else is let
// through, so that calls can be seen, changed and ended.
type shed struct {
	admit func() bool
	next  http.Handler
}

// shedRetry is what a client is told to wait.
const shedRetry = time.Second

func (h shed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && isNewCall(r) && !h.admit() {
		w.Header().Set("Retry-After", Seconds(shedRetry))
		refuse(w, r, http.StatusServiceUnavailable, "the server has more to do than it can; try again later")
		return
	}
	h.next.ServeHTTP(w, r)
}

// isNewCall tells whether a POST is to place a call. A query that names an action is
// about one that is there (CONTRACT 3).
func isNewCall(r *http.Request) bool {
	p := RawPath(r.URL)
	return p == V1Path+"calls" || isLegacy(p) && !strings.Contains(r.URL.RawQuery, "action=")
}
