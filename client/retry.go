package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
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
		return backoff(try), !isFinal(err)
	case !isPassing(e.Problem.Status), e.RetryAfter > longestWait:
		return 0, false
	case e.RetryAfter > 0:
		return e.RetryAfter, true
	}
	return backoff(try), true
}

// isPassing tells whether a status is about the moment, not about the request.
func isPassing(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// isFinal tells whether what kept the answer away will do so the next time: the server's
// certificate is not to be trusted.
func isFinal(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted
}

// backoff has a random half, so that clients that a server has lost at once do not come
// back at once.
func backoff(try int) time.Duration {
	whole := firstWait << (try - 1)
	return whole/2 + rand.N(whole/2)
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
