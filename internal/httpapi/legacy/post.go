package legacy

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
)

// The values of the parameter action.
const (
	actionCall     = "call"
	actionTransfer = "transfer"
)

// post places a call, or transfers one. The body means nothing; some clients send a
// NUL byte.
func (h *Handler) post(w http.ResponseWriter, r *http.Request, p auth.Principal, who parties) error {
	if !httpapi.SkipBody(w, r) {
		return nil
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := h.do(r, p, q, q.request(who)); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) do(r *http.Request, p auth.Principal, q query, which control.StatusRequest) error {
	switch action := q.or("action", actionCall); action {
	case actionCall:
		place, err := h.placeRequest(q, which)
		if err != nil {
			return err
		}
		_, err = h.Control.Place(r.Context(), p, place)
		return err
	case actionTransfer:
		target, err := q.target()
		if err != nil {
			return err
		}
		return h.Control.Transfer(r.Context(), p, control.TransferRequest{StatusRequest: which, Target: target})
	default:
		return invalid("action %q is neither call nor transfer", clip(action))
	}
}

// placeRequest reads the parameters of a call (CONTRACT section 2).
func (h *Handler) placeRequest(q query, which control.StatusRequest) (control.PlaceRequest, error) {
	limits := h.Control.Limits()
	ring, err := q.seconds("timeout", 0, limits.Ring)
	if err != nil {
		return control.PlaceRequest{}, err
	}
	keep, err := q.seconds("resultCacheTime", min(control.DefaultTime, limits.Keep), limits.Keep)
	if err != nil {
		return control.PlaceRequest{}, err
	}
	return control.PlaceRequest{
		Method: q.or("sipMethod", control.MethodRefer),
		Agent:  which.Agent, Calling: which.Calling, Called: which.Called,
		Subject: q.get("subject"), ConfPIN: q.get("confpin"), Forwarding: strings.EqualFold(q.get("isForwardingAllowed"), "true"),
		Ring: ring, Keep: keep,
	}, nil
}

// query is the decoded parameters. Of duplicates the first counts, names are
// case-sensitive, unknown ones mean nothing (CONTRACT 1.7, 1.8).
type query url.Values

// parseQuery refuses what could be read in two ways: escapes that are none, ";" as
// a separator, and two values for a parameter that says who or what (row Z04).
func parseQuery(raw string) (query, error) {
	if raw == "" {
		return query{}, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("the query cannot be read: %s", err)
	}
	for _, name := range [...]string{"agent", "target", "sipMethod", "action"} {
		if len(values[name]) > 1 {
			return nil, invalid("parameter %s is given %d times", name, len(values[name]))
		}
	}
	if agent, given := values["agent"]; given && agent[0] == "" {
		return nil, invalid("parameter agent is empty")
	}
	return query(values), nil
}

// request names the call that path and query are about.
func (q query) request(who parties) control.StatusRequest {
	return control.StatusRequest{Agent: q.get("agent"), Calling: who.calling, Called: who.called}
}

func (q query) has(name string) bool { return len(q[name]) > 0 }

func (q query) get(name string) string { return q.or(name, "") }

// or gives a parameter, or what counts when it was not given. An empty one was.
func (q query) or(name, otherwise string) string {
	if !q.has(name) {
		return otherwise
	}
	return q[name][0]
}

func (q query) target() (string, error) {
	switch target := q.get("target"); {
	case !q.has("target"):
		return "", invalid("Need a transfer target parameter")
	case target == "":
		return "", invalid("parameter target is empty")
	default:
		return target, nil
	}
}

// seconds reads a number of whole seconds. The text about a negative one is
// CONTRACT 2.10's.
func (q query) seconds(name string, otherwise, most time.Duration) (time.Duration, error) {
	if !q.has(name) {
		return otherwise, nil
	}
	text := q.get(name)
	if digits, negative := strings.CutPrefix(text, "-"); negative && isDigits(digits) {
		return 0, invalid("Bad parameter %s = %s", name, clip(text))
	}
	bound := int64(most / time.Second)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !isDigits(text) || n > bound {
		return 0, invalid("Bad parameter %s = %q: it must be a whole number of seconds from 0 to %d", name, clip(text), bound)
	}
	return time.Duration(n) * time.Second, nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
