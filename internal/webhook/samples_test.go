package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/webhook/signature"
)

// sample cuts the one code of a language out of the page for users.
func sample(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(page), "\n```"+language+"\n")
	code, _, closed := strings.Cut(code, "\n```\n")
	if !ok || !closed {
		t.Fatalf("the page has no sample in %s", language)
	}
	return code + "\n"
}

// What stands below the samples: they are asked about each line of JSON that comes, and
// print true or false.
const pythonMain = `
import json, sys
for line in sys.stdin:
    q = json.loads(line)
    print("true" if verify(q["secret"], q["headers"], base64.b64decode(q["body"])) else "false")
`

const goMain = `package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	for d := json.NewDecoder(os.Stdin); ; {
		var q struct {
			Secret  string
			Headers map[string]string
			Body    []byte
		}
		if d.Decode(&q) != nil {
			return
		}
		h := http.Header{}
		for name, value := range q.Headers {
			h.Set(name, value)
		}
		fmt.Println(verify(q.Secret, h, q.Body))
	}
}
`

// The samples that users copy take what the server sends, by either of two secrets, and
// nothing that was changed.
func TestSamplesOfThePage(t *testing.T) {
	r := newReceiver(t, nil)
	l := newLab(t, r)
	now, old := newSecret(t, "new"), newSecret(t, "old")
	l.config.Endpoints[0].Secrets = []signature.Secret{now, old}
	if _, err := l.hooks(t).Test(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	a := r.next(t)
	questions, want := questionsOf(t, a, now.Text().Reveal(), old.Text().Reveal(), newSecret(t, "other").Text().Reveal())

	t.Run("Python", func(t *testing.T) {
		python, err := exec.LookPath("python3")
		if err != nil {
			t.Skipf("no Python here: %v", err)
		}
		file := filepath.Join(t.TempDir(), "sample.py")
		write(t, file, sample(t, "python")+pythonMain)
		ask(t, exec.CommandContext(t.Context(), python, file), questions, want)
	})
	t.Run("Go", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "verify.go"), sample(t, "go"))
		write(t, filepath.Join(dir, "main.go"), goMain)
		write(t, filepath.Join(dir, "go.mod"), "module sample\n")
		run := exec.CommandContext(t.Context(), "go", "run", ".")
		run.Dir = dir
		ask(t, run, questions, want)
	})
}

// questionsOf asks about an attempt as it came and with one thing changed at a time.
func questionsOf(t *testing.T, a attempt, now, old, other string) (questions, want string) {
	t.Helper()
	headers := func(name, value string) map[string]string {
		h := map[string]string{}
		for _, known := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			h[known] = a.header.Get(known)
		}
		h[name] = value
		return h
	}
	for _, q := range []struct {
		secret  string
		headers map[string]string
		body    string
		want    string
	}{
		{now, headers("", ""), string(a.body), "true"},
		{old, headers("", ""), string(a.body), "true"},
		{other, headers("", ""), string(a.body), "false"},
		{now, headers("", ""), string(a.body) + " ", "false"},
		{now, headers("webhook-id", "other"), string(a.body), "false"},
		{now, headers("webhook-timestamp", "1614265330"), string(a.body), "false"},
		{now, headers("webhook-timestamp", "x"), string(a.body), "false"},
		{now, headers("webhook-signature", ""), string(a.body), "false"},
		{now, headers("webhook-signature", "v1,"), string(a.body), "false"},
	} {
		line, err := json.Marshal(map[string]any{"secret": q.secret, "headers": q.headers, "body": base64.StdEncoding.EncodeToString([]byte(q.body))})
		if err != nil {
			t.Fatal(err)
		}
		questions += string(line) + "\n"
		want += q.want + "\n"
	}
	return questions, want
}

func ask(t *testing.T, c *exec.Cmd, questions, want string) {
	t.Helper()
	c.Stdin = strings.NewReader(questions)
	got, err := c.CombinedOutput()
	if err != nil || string(got) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
