package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"callcontroller": main})
}

// TestScripts types the commands as a user does.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server": startServer, "await": await,
		},
	})
}

// await FILE TEXT waits until the file has the text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), args[1]) {
			return
		}
	}
	text, _ := os.ReadFile(name)
	ts.Fatalf("%s never has %q:\n%s", args[0], args[1], text)
}
