package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"callcontroller/test/interop/lab"
)

// TestConsumersSurviveCrashes: the two consumers that the page for users shows get every
// event of every call once and in order, over crashes of the server and ends of their own.
func TestConsumersSurviveCrashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keeping{})
	consumers := []*consumer{w.consumer("go", "consumer.go", "go", "run"), w.consumer("python", "consumer.py", "python3")}
	var calls []string
	for round := range 3 {
		id := w.connect()
		calls = append(calls, id)
		if round == 1 {
			w.kill()
			w.serve()
			w.within(func() error { return w.settled(id) })
		}
		w.sandbox.Phone("202").HangUp()
		w.within(func() error { return w.onHook("201", "202") })
		for _, c := range consumers {
			w.within(func() error { return c.complete(calls) })
			if round == 0 {
				c.process.Stop()
				c.start()
			}
		}
	}
}

// consumer is a program that prints "id call seq type" for each event.
type consumer struct {
	*world
	name    string
	args    []string
	process *lab.Process
	runs    int
}

// sample writes the sample in a language from a page of the documentation to a file.
func (w *world) sample(page, language, file string) (path string) {
	w.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		w.Fatal(err)
	}
	_, code, ok := strings.Cut(string(text), "\n```"+language+"\n")
	code, _, closed := strings.Cut(code, "\n```\n")
	if !ok || !closed {
		w.Fatalf("%s has no sample in %s", page, language)
	}
	path = filepath.Join(w.dir, file)
	if err := os.WriteFile(path, []byte(code+"\n"), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// consumer starts the sample in a language of docs/events.md.
func (w *world) consumer(language, file string, command ...string) *consumer {
	w.Helper()
	path := w.sample("events.md", language, file)
	c := &consumer{world: w, name: language, args: append(command, path, "http://"+w.http, filepath.Join(w.dir, file+".last"))}
	c.start()
	return c
}

func (c *consumer) start() {
	c.Helper()
	c.runs++
	here, err := os.Getwd() // In this module: the sample in Go imports its package client.
	if err != nil {
		c.Fatal(err)
	}
	if c.process, err = c.procs.Start(lab.Spec{Log: c.log(c.runs), Dir: here, Args: c.args}); err != nil {
		c.Fatal(err)
	}
}

func (c *consumer) log(run int) string { return filepath.Join(c.dir, fmt.Sprint(c.name, run, ".log")) }

// complete wants all events of calls that have ended, in order, none of them twice.
func (c *consumer) complete(calls []string) error {
	next, ended, last := map[string]int{}, map[string]bool{}, 0
	for run := range c.runs {
		text, err := os.ReadFile(c.log(run + 1))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) != 4 || !slices.Contains(calls, f[1]) {
				continue
			}
			id, _ := strconv.Atoi(f[0])
			seq, _ := strconv.Atoi(f[2])
			if id <= last || seq != next[f[1]]+1 {
				c.Fatalf("%s: %q comes behind event %d of number %d", c.name, line, next[f[1]], last)
			}
			last, next[f[1]], ended[f[1]] = id, seq, f[3] == "call.ended"
		}
	}
	for _, id := range calls {
		if !ended[id] {
			return fmt.Errorf("%s has %d events of call %s, and not its end:\n%s", c.name, next[id], id, lab.TailFrom(c.log(c.runs), 0))
		}
	}
	return nil
}

// TestCRM: the script that the page for integrators shows places a call, follows it, and
// hangs it up, and says why when it may not.
func TestCRM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keeping{})
	script := w.sample("api.md", "python", "crm.py")
	got, err := exec.CommandContext(t.Context(), "python3", script, "http://"+w.http, "201", "202", "4711").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	told := "call.created,call.leg.trying caller,call.leg.ringing caller,call.leg.answered caller,call.leg.trying callee,call.leg.ringing callee," +
		"call.leg.answered callee,call.connected,they talk about ticket 4711,call.leg.ended caller,call.leg.ended callee,call.ended,ended: completed by agent"
	lines := strings.FieldsFunc(string(got), func(r rune) bool { return r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if strings.Join(lines, ",") != told {
		t.Errorf("the script says\n%s, want\n%s", strings.Join(lines, ","), told)
	}
	w.within(func() error { return w.onHook("201", "202") })
	got, err = exec.CommandContext(t.Context(), "python3", script, "http://"+w.http, "201", "2 2", "4711").CombinedOutput()
	if err == nil || !strings.Contains(string(got), "called party") {
		t.Errorf("a call to a party that is none: %v, %s", err, got)
	}
}
