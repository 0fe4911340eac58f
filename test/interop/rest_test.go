package interop

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// statusDocument is the answer to a GET.
type statusDocument struct {
	XMLName xml.Name `xml:"http://www.sipfoundry.org/sipX/schema/xml/call-status-00-00 status-lines"`
	Rows    []row    `xml:"status"`
}

// client takes the server's self-signed certificate, as curl -k does.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// placed is a call that was asked for by POST.
type placed struct {
	t      *testing.T
	server *server
	agent  string
	url    string
	client *http.Client // one for the whole call: each keeps a connection
}

// place asks for a call, as the calling party unless query names an agent, and
// wants the answer of the contract: 200 and no body.
func (s *server) place(t *testing.T, calling, called string, query url.Values) placed {
	t.Helper()
	p := placed{t: t, server: s, client: client(t), agent: calling, url: s.https + "/callcontroller/" + calling + "/" + called}
	if query.Has("agent") {
		p.agent = query.Get("agent")
	}
	status, body, err := p.send(http.MethodPost, "?"+query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK || len(body) > 0 {
		t.Fatalf("POST %s answers %d %q, wanted 200 and no body", p.url, status, body)
	}
	return p
}

func (p placed) send(method, query string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url+query, nil)
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(p.agent, pin)
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// rows are the steps of the call so far.
func (p placed) rows() ([]row, error) {
	status, body, err := p.send(http.MethodGet, "")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("GET %s answers %d %q, wanted 200", p.url, status, body)
	}
	var document statusDocument
	if err := xml.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("GET %s answers %q: %w", p.url, body, err)
	}
	return document.Rows, nil
}

// callID is the Call-ID of the calling party's leg.
func (p placed) callID() string {
	p.t.Helper()
	rows, err := p.rows()
	if err != nil || len(rows) == 0 {
		p.t.Fatalf("no row, so no Call-ID: %v", err)
	}
	return rows[0].CallID
}

// wantRows waits until the call has exactly these rows.
func (p placed) wantRows(limit time.Duration, w want) {
	p.t.Helper()
	within(p.t, limit, func() error {
		if err := p.server.process.Err(); err != nil {
			return err
		}
		rows, err := p.rows()
		if err != nil {
			return err
		}
		return w.match(rows)
	})
}

// wantNoMore wants these rows still, and that they are of one call, in the order
// of time.
func (p placed) wantNoMore(w want) {
	p.t.Helper()
	rows, err := p.rows()
	if err := errors.Join(err, w.match(rows)); err != nil {
		p.t.Fatal(err)
	}
	for i, r := range rows {
		if r.CallID != rows[0].CallID || r.Timestamp < rows[max(i-1, 0)].Timestamp {
			p.t.Errorf("row %d is %+v, after %+v", i+1, r, rows[max(i-1, 0)])
		}
	}
}
