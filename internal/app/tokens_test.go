package app_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

// bears sends a request with a token and gives the status of the answer.
func bears(t *testing.T, base, method, path string, text secret.Text) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	body := ""
	if method == http.MethodPost && path == "/v1/calls" {
		body = `{"caller": "201", "callee": "202"}`
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+text.Reveal())
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// becomes asks until the answer has that status: the server looks at the file once a
// second.
func becomes(t *testing.T, a *app.App, text secret.Text, status int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if bears(t, a.HTTP()[0], http.MethodGet, "/v1/calls", text) == status {
			return
		}
	}
	t.Fatalf("the answer never becomes %d", status)
}

func makeToken(t *testing.T, c *config.Config, of token.Token) (secret.Text, token.Token) {
	t.Helper()
	text, made, err := token.Create(c.TokensFile(), of)
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

// TestZ20TokensComeAndGo: a token is made, used on both interfaces and revoked while the
// server runs; it and its hash are in no log.
func TestZ20TokensComeAndGo(t *testing.T) {
	log := newLog()
	c := settings(t, world(t))
	c.HTTP.LoginFailures = 0 // The test asks more often than it ought to.
	a := start(t, c, log)
	defer stop(t, a)
	text, made := makeToken(t, c, token.Token{Agent: "201", Scopes: token.CallsRead | token.CallsWrite})
	becomes(t, a, text, http.StatusOK)
	https, plain := a.HTTP()[0], a.HTTP()[1]
	for _, tt := range []struct {
		base, method, path string
		want               int
	}{
		{https, http.MethodPost, "/callcontroller/201/202", 200},
		{https, http.MethodGet, "/callcontroller/201/202", 200},
		{https, http.MethodPost, "/callcontroller/201/202?agent=202", 403},
		{https, http.MethodPost, "/v1/calls", 201},
		{plain, http.MethodGet, "/v1/calls", 401},
	} {
		if got := bears(t, tt.base, tt.method, tt.path, text); got != tt.want {
			t.Errorf("%s %s%s: %d, want %d", tt.method, tt.base, tt.path, got, tt.want)
		}
	}
	if _, err := token.Revoke(c.TokensFile(), made.ID); err != nil {
		t.Fatal(err)
	}
	becomes(t, a, text, http.StatusUnauthorized)
	audited, err := os.ReadFile(filepath.Join(c.Data, "audit.jsonl"))
	if err != nil || !strings.Contains(string(audited), `"event":"call.placed","user":"201","token":"`+made.ID+`"`) {
		t.Errorf("%v: the audit file has not the ID: %s", err, audited)
	}
	hash, err := token.HashOf(text).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{text.Reveal(), string(hash), "Bearer cct"} {
		if strings.Contains(log.String(), s) || strings.Contains(string(audited), s) {
			t.Errorf("a log has %q", s)
		}
	}
	if !strings.Contains(log.String(), `"token":"`+made.ID+`"`) {
		t.Error("the log has not the ID")
	}
}

// TestTokensOnReload: SIGHUP is quicker, also in taking a token from a user who is not there
// any more; a mistake in the file leaves the old tokens, and keeps no users back.
func TestTokensOnReload(t *testing.T) {
	c := settings(t, world(t))
	c.HTTP.LoginFailures = 0
	text, _ := makeToken(t, c, token.Token{Agent: "202", Scopes: token.CallsRead})
	next := *c
	a, err := app.Start(t.Context(), c, app.Options{Reread: func() (*config.Config, error) { return &next, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a)
	second, _ := makeToken(t, c, token.Token{Agent: "201", Scopes: token.CallsRead})
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	status := func(text secret.Text) int { return bears(t, a.HTTP()[0], http.MethodGet, "/v1/calls", text) }
	if one, two := status(text), status(second); one != http.StatusOK || two != http.StatusOK {
		t.Errorf("%d and %d", one, two)
	}
	if err := os.WriteFile(c.TokensFile(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	next.Users.Inline = c.Users.Inline[:1]
	if err := a.Reload(); err == nil || !strings.Contains(err.Error(), "tokens.file: "+c.TokensFile()) {
		t.Errorf("%v", err)
	}
	if one, two := status(text), status(second); one != http.StatusUnauthorized || two != http.StatusOK {
		t.Errorf("of who is gone %d, of who is there %d", one, two)
	}
}

// TestTokensThatCannotBeRead: the server does not start without those that there are.
func TestTokensThatCannotBeRead(t *testing.T) {
	c := settings(t, world(t))
	if err := os.WriteFile(c.TokensFile(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Start(t.Context(), c, app.Options{}); err == nil || !strings.Contains(err.Error(), "tokens.file: "+c.TokensFile()+": the JSON has no end") {
		t.Errorf("%v", err)
	}
}
