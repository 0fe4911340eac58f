package dialog

import (
	"slices"
	"strings"

	"callcontroller/internal/sip"
)

// parts are the texts of a dialog.
type parts struct {
	local  string   // From of our requests, tag included; "" for that of the INVITE that made it
	remote string   // To, tag included; only what follows the To of our INVITE when it begins as that
	target string   // the remote target: the peer's Contact URI
	routes []string // the route set, in the order in which it is sent
}

// between stands between the texts: no field of a message has a line end in it.
const between = "\n"

// freeze makes one text of p, which takes a third of the room; thaw takes it apart.
func (p parts) freeze() string {
	return strings.Join(append([]string{p.local, p.remote, p.target}, p.routes...), between)
}

func thaw(text string) parts {
	t := strings.Split(text, between)
	return parts{local: t[0], remote: t[1], target: t[2], routes: t[3:]}
}

// within gives the same text as a part of all, so that it needs no room of its own.
func within(all, text string) string {
	i := strings.Index(all, text)
	if i < 0 {
		return strings.Clone(text) // It was quoted there.
	}
	return all[i : i+len(text)]
}

// request makes a request inside the dialog (section 12.2.1.1).
func (p parts) request(method string) *sip.Message {
	req := sip.NewRequest(method, p.target)
	routes := p.routes
	if len(routes) > 0 && !loose(routes[0]) {
		// A strict router: it becomes the Request-URI, the remote target goes to the
		// end of the Route.
		req.RequestURI = strictURI(routes[0])
		routes = append(slices.Clone(routes[1:]), "<"+p.target+">")
	}
	for _, r := range routes {
		req.Add(sip.Route, r)
	}
	req.Add(sip.MaxForwards, "70")
	req.Add(sip.From, p.local)
	req.Add(sip.To, p.remote)
	return req
}

// nextHop is the URI to which requests go: the first route, else the remote target.
func (p parts) nextHop() (sip.URI, error) {
	if len(p.routes) == 0 {
		return sip.ParseURI(p.target)
	}
	a, err := sip.ParseNameAddr(p.routes[0])
	return a.URI, err
}

func loose(route string) bool {
	a, err := sip.ParseNameAddr(route)
	return err == nil && a.URI.Params.Has("lr")
}

// strictURI is a route as Request-URI: without what is not allowed there.
func strictURI(route string) string {
	a, err := sip.ParseNameAddr(route)
	if err != nil {
		return route
	}
	a.URI.Headers = ""
	return a.URI.String()
}

// targetOf is a Contact URI as remote target. What a Request-URI may not hold (section
// 19.1.1, table 1) is left out.
func targetOf(u sip.URI) string {
	u.Headers = ""
	return u.String()
}
