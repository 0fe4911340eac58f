// Package main draws docs/flows.md: it plays every call flow between the phones of
// the sandbox and the real server, each in a world of its own, and draws the messages
// that passed. It decides nothing about calls, and nothing in the page is written by
// hand but the words before each drawing. A test fails when the page is not what a
// run gives.
//
// Goroutines: those of the sandbox and of the server, which end with each flow.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

const intro = `# Call flows

Written by ` + "`make flows`" + ` from calls between the test phones of ` + "`internal/sandbox`" + ` and the real server; a test fails when a run gives
another picture. [design.md](design.md) tells how the server is built, [http.md](http.md) what the client can ask.

Each line is one message, from its sender to its receiver; what it is stands at the right. The proxy between server and phones is left
out, and with it what concerns one hop only: 100 Trying, challenges with the request that they refuse, the ACK of a refusal, the 200 of a
CANCEL. So are the polling of the client (GET), and registrations. Lines in brackets tell what people do.

* The answer to a request other than INVITE stands below its request, whatever came between.
* "offer of 202" is the session description that the phone 202 has made, whoever passes it on; the server changes nothing in it but
  the o= line. "the sink" is the server's own: one UDP port that swallows what comes.
* A re-INVITE is an INVITE inside a dialog.

Not here: hold and resume, for the test phones cannot begin a re-INVITE. test/conformance has them, with scripted phones.
`

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "flows:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: flows FILE")

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	text, err := page(ctx)
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], []byte(text), 0o644) //nolint:gosec // A page for everybody to read.
}

// page plays all flows and gives the whole document.
func page(ctx context.Context) (string, error) {
	var b strings.Builder
	b.WriteString(intro)
	for _, f := range flows {
		rows, err := play(ctx, f)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.title, err)
		}
		b.WriteString("\n## " + f.title + "\n\n" + f.look + "\n\n```\n" + draw(f.columns(), rows) + "```\n")
	}
	return b.String(), nil
}
