package app_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"callcontroller/api"
	"callcontroller/internal/app"
)

// askJSON sends a request as 201 and reads the answer into out.
func askJSON(t *testing.T, a *app.App, method, path, body string, out any) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, a.HTTP()[0]+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("201", userPIN)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// untilState waits for a state of a call, and gives the call.
func untilState(t *testing.T, a *app.App, id, state string) (c api.Call) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		c = api.Call{}
		if status := askJSON(t, a, http.MethodGet, "/v1/calls/"+id, "", &c); status != http.StatusOK {
			t.Fatalf("GET answers %d", status)
		}
		if c.State == state {
			return c
		}
	}
	t.Fatalf("the call stays %s, want %s", c.State, state)
	return c
}

// TestCallAsJSON: a call through the real proxy, seen by its name until it is over and
// then for a while.
func TestCallAsJSON(t *testing.T) {
	a := start(t, settings(t, world(t)), newLog())
	defer stop(t, a)
	var c api.Call
	if status := askJSON(t, a, http.MethodPost, "/v1/calls", `{"caller": "201", "callee": "202", "method": "invite", "metadata": {"ticket": "4711"}}`, &c); status != http.StatusCreated || c.Metadata["ticket"] != "4711" {
		t.Fatalf("POST answers %d %+v", status, c)
	}
	c = untilState(t, a, c.ID, "connected")
	if len(c.Legs) != 2 || c.ConnectedAt == nil {
		t.Errorf("%+v", c)
	}
	if status := askJSON(t, a, http.MethodDelete, "/v1/calls/"+c.ID, "", &c); status != http.StatusNoContent {
		t.Errorf("DELETE answers %d", status)
	}
	c = untilState(t, a, c.ID, "ended")
	if c.Outcome == nil || c.Outcome.Result != "completed" || c.Outcome.EndedBy != "agent" || c.EndedAt == nil || c.Metadata["ticket"] != "4711" {
		t.Errorf("%+v %+v", c, c.Outcome)
	}
	if askJSON(t, a, http.MethodGet, "/v1/calls/NOTHING", "", &api.Problem{}) != http.StatusNotFound {
		t.Error("a call that never was is found")
	}
}
