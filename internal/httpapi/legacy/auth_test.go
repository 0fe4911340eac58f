package legacy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/auth"
	"callcontroller/internal/httpapi/legacy"
)

// refusal is an authenticator that refuses everybody in one way, and challenges.
type refusal struct{ err error }

func (a refusal) Authenticate(*http.Request) (auth.Principal, error) { return auth.Principal{}, a.err }

func (a refusal) Challenge(_ *http.Request, err error) []string {
	if err != a.err { //nolint:errorlint // the very same value
		return []string{"another error"}
	}
	return []string{"One", "Two"}
}

// TestR04Z10Refusals: each way to be refused has its status. A challenge stands on each
// 401 and on nothing else, and who has to wait is told how long.
func TestR04Z10Refusals(t *testing.T) {
	for _, tt := range []struct {
		err        error
		status     int
		challenges []string
		retry      string
		body       string
	}{
		{auth.ErrMissing, 401, []string{"One", "Two"}, "", "pin mismatch"},
		{auth.ErrRefused, 401, []string{"One", "Two"}, "", "pin mismatch"},
		{auth.ErrStale, 401, []string{"One", "Two"}, "", "pin mismatch"},
		{auth.ErrInsecure, 403, nil, "", "Basic authentication needs HTTPS"},
		{&auth.SlowDownError{After: 1500 * time.Millisecond, Reason: "too many failed log-ins"}, 429, nil, "2", "too many failed log-ins; try again in 2 seconds"},
	} {
		w := httptest.NewRecorder()
		h := &legacy.Handler{Auth: refusal{tt.err}}
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/callcontroller/201/202", nil))
		if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Retry-After") != tt.retry {
			t.Errorf("%v: %d %v %q", tt.err, w.Code, w.Header(), w.Body)
		}
		if diff := cmp.Diff(tt.challenges, w.Header()["Www-Authenticate"]); diff != "" {
			t.Errorf("%v: %s", tt.err, diff)
		}
	}
}
