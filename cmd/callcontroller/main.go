// Command callcontroller is a third-party call control server: one HTTP request,
// two phones talking.
package main

import (
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
	Call        placeCall   `cmd:"" help:"Place a call." group:"calls on a server:"`
	Calls       listCalls   `cmd:"" help:"List the calls that you may see." group:"calls on a server:"`
	Show        showCall    `cmd:"" help:"Show a call." group:"calls on a server:"`
	Watch       watch       `cmd:"" help:"Print what happens as it happens: to one call until it ends, or to all." group:"calls on a server:"`
	Hangup      hangupCall  `cmd:"" help:"End a call, also one that still rings." group:"calls on a server:"`
	Transfer    moveCall    `cmd:"" help:"Put somebody else in the place of one party." group:"calls on a server:"`
	Hold        holdCall    `cmd:"" help:"Make both parties wait." group:"calls on a server:"`
	Resume      resumeCall  `cmd:"" help:"Let them talk again." group:"calls on a server:"`
	Completion  completion  `cmd:"" help:"Print what makes your shell complete these commands." group:"other:"`
	Complete    complete    `cmd:"" hidden:""`
	Version     showVersion `cmd:"" help:"Print the version." group:"other:"`
}

// Help is printed below the commands.
func (*commands) Help() string { return exitHelp }

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !isTold(err) {
		fmt.Fprintln(os.Stderr, "callcontroller:", err)
	}
	os.Exit(statusOf(err))
}

// run parses the command line and runs the command.
func run(args []string, stdout, stderr io.Writer) error {
	var c commands
	parser, err := kong.New(&c,
		kong.Name("callcontroller"),
		kong.Description("Third-party call control: one HTTP request, two phones talking."),
		kong.Writers(stdout, stderr),
		kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.Vars{"states": states},
	)
	if err != nil {
		return err
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w; try --help", err)
	}
	return ctx.Run()
}

type showVersion struct{}

// Run implements the command.
func (showVersion) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "callcontroller", version)
	return err
}
