package v1_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/goleak"

	"callcontroller/internal/httpapi"
	v1 "callcontroller/internal/httpapi/v1"
)

// provoked are the answers that the tests have had, as "GET /v1/calls 200".
var provoked sync.Map

// excuse says why no test here provokes an answer of the document; "" for no reason.
func excuse(answer string) string {
	switch {
	case strings.HasSuffix(answer, " 500"):
		return "it is a fault of the server; package httpapi makes one"
	case strings.Contains(answer, "/events "):
		return "package events has the streams"
	}
	return ""
}

// TestMain also looks whether the tests have had each answer that the document has, when
// all of them were run.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if code == 0 && allRan() {
			code = coverage()
		}
		os.Exit(code)
	}))
}

func allRan() bool {
	return !slices.ContainsFunc([]string{"test.run", "test.skip", "test.list"}, func(name string) bool {
		return flag.Lookup(name).Value.String() != ""
	})
}

// coverage gives the exit status, and prints what is missing.
func coverage() (code int) {
	for _, answer := range documented() {
		_, had := provoked.Load(answer)
		if !had && excuse(answer) == "" {
			fmt.Println("FAIL: the document has an answer that no test has provoked:", answer)
			code = 1
		}
	}
	return code
}

// documented gives every answer of the document.
func documented() (all []string) {
	for path, item := range v1.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			for status := range op.Responses {
				all = append(all, method+" "+path+" "+status)
			}
		}
	}
	slices.Sort(all)
	return all
}

// TestEveryOperationRefuses asks each operation that there is for what it has to refuse.
func TestEveryOperationRefuses(t *testing.T) {
	l := newLab(t, nil, nil)
	id := l.place(t, as201, plain).ID
	for path, item := range l.openapi.Paths {
		if strings.HasSuffix(path, "/events") || !strings.HasPrefix(path, "/v1/") {
			continue
		}
		target := strings.Replace(path, "{id}", id, 1)
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "DELETE": item.Delete} {
			if op != nil {
				l.refuses(t, method, target, op)
			}
		}
	}
}

func (l *lab) refuses(t *testing.T, method, target string, op *huma.Operation) {
	t.Helper()
	body, what := "", method+" "+target
	if op.RequestBody != nil {
		body = `{"caller":"201"}`
		plainText := func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }
		wantProblem(t, what, l.ask(t, method, target, as201, body, plainText), 415, "media-type")
		wantProblem(t, what, l.ask(t, method, target, as201, `"`+strings.Repeat("x", httpapi.MaxBody)+`"`), 413, "too-large")
		wantProblem(t, what, l.ask(t, method, target, as201, `{`), 400, "invalid")
	}
	wantProblem(t, what, l.ask(t, method, target+"?colour=red", as201, body), 422, "invalid-fields")
	nobody := func(r *http.Request) { r.RemoteAddr = "198.51.100.7:40000" }
	wantProblem(t, what, l.ask(t, method, target, "", body, nobody), 401, "unauthorized")
	guessing := func(r *http.Request) { r.RemoteAddr = "198.51.100.8:40000" }
	for range 60 { // That many fail in an hour; a third of them at once.
		if w := l.ask(t, method, target, "201:0000", body, guessing); w.Code == http.StatusTooManyRequests {
			wantProblem(t, what, w, 429, "limited")
			return
		}
	}
	t.Errorf("%s: one may guess for ever", what)
}
