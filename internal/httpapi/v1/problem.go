package v1

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/httpapi"
)

// problem is an api.Problem as an error that huma writes.
type problem struct {
	api.Problem
	header http.Header
}

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) GetHeaders() http.Header   { return p.header }
func (p *problem) ContentType(string) string { return httpapi.ProblemType }

// problemOf makes the problem of an error of the use cases. One that is not for the
// client goes to the log.
func problemOf(ctx context.Context, err error) *problem {
	if call.KindOf(err) == call.Internal {
		httpapi.SetError(ctx, err)
	}
	p := &problem{Problem: httpapi.ProblemOfError(err), header: http.Header{}}
	if after := httpapi.RetryAfter(err); after != "" {
		p.header.Set("Retry-After", after)
	}
	if challenge := httpapi.Challenge(err); challenge != "" {
		p.header.Set("WWW-Authenticate", challenge)
	}
	return p
}

// write answers a request that huma does not see.
func (p *problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	httpapi.WriteProblem(w, p.Problem)
}

// fieldProblem tells what is wrong with one field, such as "query.cursor".
func fieldProblem(status int, field, message string) *problem {
	p := &problem{Problem: httpapi.ProblemOf(status, field+": "+message)}
	p.Errors = []api.Fault{{Location: field, Message: message}}
	return p
}

// setHooks makes huma's own errors problems, too. What it can be told of that is in
// package variables.
var setHooks = sync.OnceFunc(func() {
	huma.NewError = newError
	huma.ValidateStrictCasing = true // "Caller" beside "caller" could be read in two ways.
})

// newError is what huma calls for a fault that it has found in a request.
func newError(status int, message string, errs ...error) huma.StatusError {
	p := &problem{Problem: httpapi.ProblemOf(status, message)}
	if status >= http.StatusInternalServerError {
		p.Detail = "internal error"
		return p
	}
	var texts []string
	for _, err := range errs {
		f := faultOf(err)
		p.Errors = append(p.Errors, f)
		texts = append(texts, strings.TrimPrefix(f.Location+": "+f.Message, ": "))
	}
	if len(texts) > 0 {
		p.Detail = strings.Join(texts, "; ")
	}
	return p
}

func faultOf(err error) api.Fault {
	d, ok := err.(huma.ErrorDetailer)
	if !ok {
		return api.Fault{Message: err.Error()}
	}
	detail := d.ErrorDetail()
	return api.Fault{Location: detail.Location, Message: detail.Message, Value: shown(detail.Location, detail.Value)}
}

// shown is what is repeated of a value: nothing that is, or may have in it, the PIN of a
// conference.
func shown(location string, value any) any {
	if location == "body" || location == "body.conference_pin" {
		return nil
	}
	switch v := value.(type) {
	case string:
		return clip(v)
	case float64, bool, int, int64:
		return v
	default:
		return nil
	}
}
