// Command weir is the gateway: serve runs it, demo runs it over a shop that is
// open for business. Each subcommand has its file; config.go reads flags and
// the environment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // zones on machines that have none installed
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

// subcommand is one of weir's commands.
type subcommand struct {
	name  string
	short string
	run   func(ctx context.Context, io streams, args []string) error
}

// streams are where a subcommand writes.
type streams struct{ out, err io.Writer }

var subcommands = []subcommand{
	{"serve", "run the gateway, on MongoDB or on the embedded engine", serve},
	{"demo", "run the gateway with a demo shop, live traffic and event subscriptions", runDemo},
	{"bench", "measure a running gateway or an embedded one", runBench},
	{"engine", "check, back up and restore the embedded engine's data", runEngine},
	{"version", "print the version", printVersion},
}

// errUsage is a mistake in flags or environment; its text was not printed yet.
type errUsage struct{ error }

func main() {
	keepHeapFloor()
	keepSpareProcessors()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, streams{os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run finds the subcommand and gives the exit code: 0, 1 for a failure, 2 for
// wrong usage or configuration.
func run(ctx context.Context, io streams, args []string) int {
	if len(args) == 0 {
		usage(io.err)
		return 2
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(io.out)
		return 0
	}
	for _, c := range subcommands {
		if c.name == args[0] {
			return exitCode(io, c.name, c.run(ctx, io, args[1:]))
		}
	}
	fmt.Fprintf(io.err, "weir: unknown command %q; weir help lists them\n", args[0])
	return 2
}

func exitCode(io streams, name string, err error) int {
	var u errUsage
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &u):
		fmt.Fprintf(io.err, "weir %s: %s\n", name, oneLine(u))
		return 2
	}
	fmt.Fprintf(io.err, "weir %s: %s\n", name, oneLine(err))
	return 1
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func usage(w io.Writer) {
	fmt.Fprint(w, `weir speaks the PostgreSQL wire protocol in front of MongoDB.

Usage: weir COMMAND [flags]

Commands:
`)
	for _, c := range subcommands {
		fmt.Fprintf(w, "  %-9s%s\n", c.name, c.short)
	}
	fmt.Fprint(w, `
weir COMMAND --help explains a command's flags. Every flag has an environment
variable: --mongodb-uri is WEIR_MONGODB_URI. A flag wins over its variable.

Try it:
  weir demo
  psql -h 127.0.0.1 -p 7432 -U demo shop
`)
}

func printVersion(_ context.Context, io streams, _ []string) error {
	_, err := fmt.Fprintln(io.out, "weir "+version)
	return err
}
