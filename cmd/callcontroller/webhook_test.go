package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWebhookTest(t *testing.T) {
	status := http.StatusOK
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		if !strings.Contains(string(body), `"source":"sip:example.com","type":"callcontroller.webhook.test"`) {
			t.Errorf("got %s", body)
		}
		if n := len(strings.Fields(q.Header.Get("webhook-signature"))); n != 2 {
			t.Errorf("%d signatures", n)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "thanks\x1b[31m")
	}))
	defer r.Close()
	name := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
sip: {domain: example.com}
webhooks:
  allow_http: true
  networks: [127.0.0.0/8]
  endpoints:
    - {name: crm, url: %s/, secret: whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWlt, previous_secret: whsec_YWx0YWx0YWx0YWx0YWx0YWx0YWx0YWx0}
`, r.URL)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"webhook", "test", "crm", "--config", name}, &out, io.Discard); err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "answered 200 OK after ") || !strings.HasSuffix(got, " ms\n\"thanks\\x1b[31m\"\n") {
		t.Error(got)
	}
	status = http.StatusForbidden
	err := run([]string{"webhook", "test", "crm", "--config", name}, &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "only an answer of 200 to 299") {
		t.Error(err)
	}
}
