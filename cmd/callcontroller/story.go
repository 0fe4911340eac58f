package main

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

const (
	// pollEvery is how often the demonstration asks for the state of its call.
	pollEvery = 250 * time.Millisecond
	// callLimit is how long it waits for the call to end.
	callLimit = 60 * time.Second
)

// story prints what happens, one line a step, from any goroutine.
type story struct {
	out   io.Writer
	world *sandbox.Sandbox // only for the goroutine that runs the demonstration

	mu    sync.Mutex
	begin time.Time // of the call; zero before it
}

func (s *story) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, text)
}

// step prints a line with the time since the call began; before it, nothing.
func (s *story) step(at time.Time, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begin.IsZero() {
		fmt.Fprintf(s.out, "%7.3f  %s\n", at.Sub(s.begin).Seconds(), line)
	}
}

// event is a phone's own words.
func (s *story) event(line string) { s.step(time.Now(), strings.Repeat(" ", 36)+"* "+line) }

// message prints a SIP message as the proxy sees it. Registrations would only hide
// the call.
func (s *story) message(t sandbox.Traced) {
	if cseq, err := t.Msg.CSeq(); err == nil && cseq.Method == sip.REGISTER {
		return
	}
	who := "callcontroller"
	if t.User != "" {
		who = "phone " + t.User
	}
	path := fmt.Sprintf("%-14s -> %-14s", who, "proxy")
	if t.Sent {
		path = fmt.Sprintf("%-14s -> %-14s", "proxy", who)
	}
	s.step(t.At, path+"   "+outline(t.Msg))
}

// outline is what matters of a message, on one line.
func outline(m *sip.Message) string {
	text := m.Method + " " + m.RequestURI
	if m.IsResponse() {
		text = fmt.Sprintf("%s %d %s", sip.Version, m.Status, m.Reason)
		if cseq, err := m.CSeq(); err == nil {
			text += "  (" + cseq.Method + ")"
		}
	}
	switch m.Method {
	case sip.REFER:
		text += "  Refer-To: " + m.Get(sip.ReferTo)
	case sip.NOTIFY:
		first, _, _ := strings.Cut(string(m.Body), "\r\n")
		text += "  [" + strings.TrimSpace(first) + "]"
	}
	return text
}

// placeCall does what the two curl lines of the README do, and prints what comes.
func (s *story) placeCall(ctx context.Context, https string) error {
	ctx, stop := context.WithTimeout(ctx, callLimit)
	defer stop()
	url := https + "/callcontroller/201/202"
	s.print("$ curl -k -X POST -u 201:" + demoPIN + " " + url + "\n")
	s.mu.Lock()
	s.begin = time.Now()
	s.mu.Unlock()
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // It is curl's -k: our own certificate, on loopback.
	}}
	defer client.CloseIdleConnections()
	if _, err := request(ctx, client, http.MethodPost, url); err != nil {
		return err
	}
	document, err := follow(ctx, client, url)
	if err != nil {
		return err
	}
	s.print("\n$ curl -k -u 201:" + demoPIN + " " + url + "\n" + document)
	return nil
}

// follow asks until the last report is final.
func follow(ctx context.Context, client *http.Client, url string) (string, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		document, err := request(ctx, client, http.MethodGet, url)
		if err != nil {
			return "", err
		}
		if final(document) {
			return document, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("the call has not ended: %w\n%s", ctx.Err(), document)
		}
	}
}

// final tells whether the last row of a status document is a final report.
func final(document string) bool {
	var d struct {
		Rows []struct {
			Method string `xml:"method"`
			Line   string `xml:"status-line"`
		} `xml:"status"`
	}
	if err := xml.Unmarshal([]byte(document), &d); err != nil || len(d.Rows) == 0 {
		return false
	}
	last := d.Rows[len(d.Rows)-1]
	provisional := strings.HasPrefix(last.Line, sip.Version+" 1")
	return last.Method == sip.NOTIFY && !provisional
}

func request(ctx context.Context, client *http.Client, method, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth("201", demoPIN)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, body)
	}
	return string(body), nil
}
