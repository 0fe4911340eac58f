package events

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"callcontroller/api"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/journal"
)

// question is what a client has asked for.
type question struct {
	types       []string // none: all
	agent, call string
	after       journal.Position
	resumes     bool // after was given
}

// readQuestion reads the query and the field Last-Event-ID, which a client sends that
// comes back by itself: it goes before the query, which is the same as the first time.
func readQuestion(r *http.Request, c *api.Call) (q question, faults []api.Fault) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, []api.Fault{{Location: "query", Message: "it is not well-formed: " + err.Error()}}
	}
	known := []string{"type", "after", "agent", "call"}
	if c != nil {
		known, q.call = known[:2], c.ID
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		f := fault("query."+clip(name), "", "")
		switch values := query[name]; {
		case !slices.Contains(known, name):
			f.Message = "unknown name; known are " + strings.Join(known, ", ")
		case name == "type":
			q.types = values
			faults = append(faults, wrongTypes(values)...)
			continue
		case len(values) > 1:
			f.Message = "it may come once only"
		default:
			f = q.set(name, values[0])
		}
		if f.Message != "" {
			faults = append(faults, f)
		}
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if f := q.resume("header.Last-Event-ID", last); f.Message != "" {
			faults = append(faults, f)
		}
	}
	return q, faults
}

// set takes a value that may come once; an empty one is none.
func (q *question) set(name, value string) (f api.Fault) {
	switch {
	case value == "":
	case name == "after":
		return q.resume("query.after", value)
	case name == "agent":
		q.agent = value
	default:
		q.call = value
	}
	return f
}

func (q *question) resume(location, value string) (f api.Fault) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return fault(location, value, "it has to be the id of an event, which is a decimal number")
	}
	q.after, q.resumes = journal.Position(n), true
	return f
}

func wrongTypes(values []string) (faults []api.Fault) {
	for _, v := range values {
		if !slices.Contains(api.EventTypes(), v) {
			faults = append(faults, fault("query.type", v, "no such type of event; there are "+strings.Join(api.EventTypes(), ", ")))
		}
	}
	return faults
}

func fault(location, value, message string) api.Fault {
	f := api.Fault{Location: location, Message: message}
	if value != "" {
		f.Value = clip(value)
	}
	return f
}

// problemOf tells all that is wrong with a request.
func problemOf(faults []api.Fault) api.Problem {
	var texts []string
	for _, f := range faults {
		text := f.Location + ": " + f.Message
		if f.Value != nil {
			text = fmt.Sprintf("%s: %q: %s", f.Location, f.Value, f.Message)
		}
		texts = append(texts, text)
	}
	p := httpapi.ProblemOf(http.StatusUnprocessableEntity, strings.Join(texts, "; "))
	p.Errors = faults
	return p
}

// clip keeps foreign text in answers short.
func clip(s string) string {
	const longest = 64
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
