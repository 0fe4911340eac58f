package httpapi

import (
	"errors"
	"net/http"
	"net/netip"

	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
)

// LogIn tells who sends a request, with his address, and has him in the log line of the
// request. Credentials that are refused are recorded. The errors are those of the
// Authenticator.
func LogIn(r *http.Request, a auth.Authenticator, record *audit.Log) (auth.Principal, error) {
	p, err := a.Authenticate(r)
	p.Source = source(r)
	if err != nil {
		if !errors.Is(err, auth.ErrMissing) { // Most clients send credentials only when they are asked to.
			record.Record(audit.Entry{Event: audit.LoginRefused, Source: p.Source, Reason: err.Error()})
		}
		return auth.Principal{}, err
	}
	SetUser(r.Context(), p.Name)
	SetToken(r.Context(), p.Token)
	return p, nil
}

// source is the address of the client, invalid when it is no TCP connection.
func source(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap()
}
