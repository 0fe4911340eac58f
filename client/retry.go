package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

const (
	tries       = 4                      // of one request, with the first
	firstWait   = 500 * time.Millisecond // before the second try; twice that before each further one
	longestWait = 30 * time.Second       // that the server may ask for; above it the caller is told
)

// again tells whether a request is to be sent once more after that error, and when.
func (r request) again(err error, try int) (time.Duration, bool) {
	safe := r.method == http.MethodGet || r.key != ""
	if !safe || try == tries {
		return 0, false
	}
	e, refused := errors.AsType[*Error](err)
	switch {
	case !refused:
		return backoff(firstWait, try), !isFinal(err)
	case !e.isPassing(), e.RetryAfter > longestWait:
		return 0, false
	case e.RetryAfter > 0:
		return e.RetryAfter, true
	}
	return backoff(firstWait, try), true
}

// keyInUse is the problem of a request that comes while one with its key is worked on, as
// it does when the answer to that was lost.
const keyInUse = "urn:callcontroller:problem:key-in-use"

// isPassing tells whether a refusal is about the moment, not about the request.
func (e *Error) isPassing() bool {
	switch e.Problem.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.Problem.Type == keyInUse
}

// isFinal tells whether what kept the answer away will do so the next time: there is no
// such host, or its certificate is not to be trusted.
func isFinal(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	unknown, named := errors.AsType[*net.DNSError](err)
	return untrusted || named && unknown.IsNotFound
}

// backoff is how long to wait after so many tries: from half of first up to first after
// one, and twice that after each further one, up to longestWait. The random half keeps
// clients that a server has lost at once from coming back at once.
func backoff(first time.Duration, tries int) time.Duration {
	whole := first
	for ; tries > 1 && whole < longestWait; tries-- {
		whole = min(2*whole, longestWait)
	}
	return whole/2 + rand.N(max(whole/2, 1))
}

// timeFor tells whether the context lasts for that long.
func timeFor(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(end) > wait)
}

// sleep waits; the error is that of a context that ends first.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
