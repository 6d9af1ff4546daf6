package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/engine"
)

const engineHelp = `weir engine looks after the data directory of the embedded engine.

Usage: weir engine COMMAND [flags] ...

Commands:
  check     verify a data directory that is not in use
  backup    copy a data directory, of a running weir or of one that is stopped
  restore   make a data directory out of a backup

Examples:
  weir engine check ./weir-data
  weir engine backup --from mongodb://127.0.0.1:27717 /backups/monday
  weir engine restore /backups/monday ./weir-data

weir engine COMMAND --help explains a command.
`

const checkHelp = `weir engine check DIR reads a whole data directory and says what is wrong with it.
It changes nothing. The directory must not be in use; to check the data of a
running weir, check a backup of it.

It verifies the checksum of every block, the catalog, every document, every index
in both directions (each document has its entries, each entry its document), the
counters, the order and the contents of the oplog, and the images in it.

It exits with 0 when everything is in order and with 1 when something is not,
after a line for each thing that is wrong.

Examples:
  weir engine check ./weir-data
  weir engine check --quiet /backups/monday
`

const backupHelp = `weir engine backup copies a data directory into TO_DIR, which must not exist yet,
and checks the copy.

With --from it asks a running weir, on the same machine, by its address for
MongoDB drivers; writing goes on meanwhile, and every write that was acknowledged
before is in the backup. With DIR it copies a directory that is not in use.

On the same file system the copy shares the files that never change with the
data directory: it is quick and small, but a broken disk takes both. Copy TO_DIR
to another disk or machine with any tool.

Usage:
  weir engine backup [flags] --from URI TO_DIR
  weir engine backup [flags] DIR TO_DIR

Examples:
  weir engine backup --from mongodb://127.0.0.1:27717 /backups/monday
  weir engine backup --from 'mongodb://admin:secret@127.0.0.1:27717' /backups/monday
  weir engine backup ./weir-data /backups/monday
`

const restoreHelp = `weir engine restore BACKUP_DIR TO_DIR makes a data directory out of a backup: it
checks the backup, copies it, and checks the copy. TO_DIR must be new or empty.
The backup stays as it is.

Examples:
  weir engine restore /backups/monday ./weir-data
  weir serve --dir ./weir-data
`

// engineCommands are weir engine's own commands.
var engineCommands = []subcommand{
	{"check", "", engineCheck},
	{"backup", "", engineBackup},
	{"restore", "", engineRestore},
}

func runEngine(ctx context.Context, io streams, args []string) error {
	if len(args) == 0 {
		return errUsage{errors.New("name a command: check, backup or restore; see weir engine --help")}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(io.out, engineHelp)
		return nil
	}
	for _, c := range engineCommands {
		if c.name == args[0] {
			return c.run(ctx, io, args[1:])
		}
	}
	return errUsage{fmt.Errorf("unknown command %q; use check, backup or restore", args[0])}
}

// quietFlag adds --quiet.
func quietFlag(fs *flag.FlagSet) *bool {
	return fs.Bool("quiet", false, "print the result only, no progress")
}

func checkOptions(io streams, quiet bool) engine.CheckOptions {
	if quiet {
		return engine.CheckOptions{}
	}
	return engine.CheckOptions{Progress: func(line string) { fmt.Fprintln(io.out, line) }}
}

// verdict prints a report; faults are an error.
func verdict(io streams, dir string, r engine.CheckReport, err error) error {
	if err != nil {
		return err
	}
	for _, f := range r.Faults {
		fmt.Fprintln(io.out, "wrong: "+f)
	}
	if more := r.FaultCount - int64(len(r.Faults)); more > 0 {
		fmt.Fprintf(io.out, "wrong: %d more\n", more)
	}
	fmt.Fprintln(io.out, r.String())
	if !r.OK() {
		return fmt.Errorf("%s is damaged", dir)
	}
	return nil
}

func engineCheck(ctx context.Context, io streams, args []string) error {
	fs := flags(io, "engine check", checkHelp)
	quiet := quietFlag(fs)
	dirs, err := parseArgs(fs, args, "DIR")
	if err != nil {
		return err
	}
	r, err := engine.Check(ctx, dirs[0], checkOptions(io, *quiet))
	return verdict(io, dirs[0], r, err)
}

func engineBackup(ctx context.Context, io streams, args []string) error {
	fs := flags(io, "engine backup", backupHelp)
	from := fs.String("from", "", "`URI` of a running weir for MongoDB drivers, on this machine")
	noCheck := fs.Bool("no-check", false, "do not check the backup")
	quiet := quietFlag(fs)
	dirs, err := parseArgs(fs, args)
	if err != nil {
		return err
	}
	o := checkOptions(io, *quiet)
	switch {
	case *from != "" && len(dirs) == 1:
		err = backupRunning(ctx, *from, dirs[0], o)
	case *from == "" && len(dirs) == 2 && strings.HasPrefix(dirs[0], "mongodb"):
		return errUsage{errors.New("a running weir is named with --from " + dirs[0])}
	case *from == "" && len(dirs) == 2:
		err = engine.BackupDir(dirs[0], dirs[1], o)
	default:
		return errUsage{errors.New("use --from URI TO_DIR, or DIR TO_DIR; see --help")}
	}
	if err != nil {
		return err
	}
	to := dirs[len(dirs)-1]
	fmt.Fprintln(io.out, "written: "+to)
	if *noCheck {
		return nil
	}
	r, err := engine.Check(ctx, to, o)
	return verdict(io, to, r, err)
}

// backupRunning asks a running weir for a backup.
func backupRunning(ctx context.Context, uri, to string, o engine.CheckOptions) error {
	dir, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	opts := options.Client().ApplyURI(uri).SetDirect(true).SetAppName("weir engine backup").SetServerSelectionTimeout(10 * time.Second)
	if err := opts.Validate(); err != nil {
		return errUsage{fmt.Errorf("--from: %w", err)}
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	if o.Progress != nil {
		o.Progress("ask the running weir for a backup in " + dir)
	}
	if err := client.Database("admin").RunCommand(ctx, bson.D{{Key: "weirBackup", Value: 1}, {Key: "dir", Value: dir}}).Err(); err != nil {
		return fmt.Errorf("ask for a backup: %w", err)
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("the server has written %s, but not where this command can see it: %w", dir, err)
	}
	return nil
}

func engineRestore(ctx context.Context, io streams, args []string) error {
	fs := flags(io, "engine restore", restoreHelp)
	quiet := quietFlag(fs)
	dirs, err := parseArgs(fs, args, "BACKUP_DIR", "TO_DIR")
	if err != nil {
		return err
	}
	r, err := engine.Restore(ctx, dirs[0], dirs[1], checkOptions(io, *quiet))
	return verdict(io, dirs[0], r, err)
}
