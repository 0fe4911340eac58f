// Command callcontroller is a third-party call control server: one HTTP request,
// two phones talking.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	_ "time/tzdata" // for policy.timezone where the system has no time zones

	"github.com/alecthomas/kong"
)

// version is set by the linker (see Makefile).
var version = "development"

// commands is the command line.
type commands struct {
	Serve       serve       `cmd:"" help:"Run the server."`
	Demo        demo        `cmd:"" help:"Show a whole call without any configuration: registrar, phones and server in one process."`
	CheckConfig checkConfig `cmd:"" name:"check-config" help:"Check a configuration and print what is in force, or all faults."`
	User        user        `cmd:"" help:"Add users, change and check their PINs, list and remove them."`
	Token       tokens      `cmd:"" help:"Make tokens for programs, list, check and revoke them."`
	Webhook     webhooks    `cmd:"" help:"List webhooks, and try them."`
	Version     showVersion `cmd:"" help:"Print the version."`
}

// errReported is an error that has been told already.
var errReported = errors.New("reported")

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "callcontroller:", err)
		}
		os.Exit(1)
	}
}

// run parses the command line and runs the command.
func run(args []string, stdout, stderr io.Writer) error {
	var c commands
	parser, err := kong.New(&c,
		kong.Name("callcontroller"),
		kong.Description("Third-party call control: one HTTP request, two phones talking."),
		kong.UsageOnError(), kong.Writers(stdout, stderr),
		kong.BindTo(stdout, (*io.Writer)(nil)),
	)
	if err != nil {
		return err
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return ctx.Run()
}

type showVersion struct{}

// Run implements the command.
func (showVersion) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "callcontroller", version)
	return err
}
