package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"callcontroller/internal/policy"
	"callcontroller/internal/webhook/signature"
)

const (
	// attemptLimit is how long one attempt may take, from the look-up of the host to the
	// answer. The specification asks for 15 to 30 s ("Request timeouts").
	attemptLimit = 15 * time.Second
	// maxAnswer is how many bytes of an answer's body, and of its header, are read.
	maxAnswer = 64 << 10
)

// Answer is what a server says to a webhook.
type Answer struct {
	Status     int
	RetryAfter time.Duration // what the server asks for; 0 when it does not
	Body       []byte        // at most 64 KiB
}

// poster sends webhooks to one URL.
type poster struct {
	url       *url.URL
	secrets   []signature.Secret
	agent     string
	transport *http.Transport
}

// newTransport makes connections for one endpoint: no other one shares them. It goes
// without http.Client, which would follow redirects and put the URL into errors.
func newTransport(c *Config) *http.Transport {
	d := net.Dialer{
		Timeout: attemptLimit, Resolver: c.Resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error { return allowed(&c.Rules, address) },
	}
	return &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
		TLSHandshakeTimeout: attemptLimit, MaxConnsPerHost: parallel, MaxIdleConnsPerHost: parallel, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: maxAnswer, DisableCompression: true,
	}
}

// allowed asks the rules about the very address that is about to be connected to: what a
// name led to when somebody looked at it before does not count.
func allowed(rules *policy.Outward, address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return rules.CheckAddr(a.Addr())
}

var errLate = fmt.Errorf("no answer within %s", attemptLimit)

// post makes one attempt. The error has neither the URL nor a secret in it.
func (p *poster) post(ctx context.Context, m message) (Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptLimit, errLate)
	defer cancel()
	q, err := p.request(ctx, m)
	if err != nil {
		return Answer{}, err
	}
	r, err := p.transport.RoundTrip(q)
	if err != nil {
		switch {
		case errors.Is(context.Cause(ctx), errLate):
			err = errLate
		case errors.Is(err, io.EOF):
			err = errors.New("the server has closed the connection without an answer")
		}
		return Answer{}, err
	}
	defer r.Body.Close()
	a := Answer{Status: r.StatusCode, RetryAfter: retryAfter(r.Header.Get("Retry-After"), time.Now())}
	a.Body, _ = io.ReadAll(io.LimitReader(r.Body, maxAnswer)) // the status counts, also when the rest does not come
	return a, nil
}

func (p *poster) request(ctx context.Context, m message) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), bytes.NewReader(m.body))
	if err != nil {
		return nil, errors.New("the URL cannot be used") // the error has it
	}
	now := time.Now()
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", p.agent)
	r.Header.Set("Webhook-Id", m.id)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", signature.Header(p.secrets, m.id, now, m.body))
	return r, nil
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
