package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/gateway"
)

// config is what serve and demo are told, after flags and environment.
type config struct {
	mongoURI     string
	eventsURI    string
	dir          string
	listen       string
	mongoListen  string
	logLevel     string
	allowPrivate bool
	allowTargets list
	testCommands bool
	auth         bool
	oplogMB      int
	cacheMB      int
	tempDir      string
	secretKey    string
	secretFile   string
	tls          tlsFlags
}

// list is a flag that may be repeated, or hold several values with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// flags makes the flag set of a subcommand with its help.
func flags(to streams, name, help string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(to.err)
	fs.Usage = func() {
		fmt.Fprint(to.out, help+"\nFlags:\n")
		fs.VisitAll(func(f *flag.Flag) {
			value, text := flag.UnquoteUsage(f)
			line := "  --" + f.Name
			if value != "" {
				line += " " + value
			}
			fmt.Fprintf(to.out, "%s\n        %s", line, text)
			if f.DefValue != "" && f.DefValue != "false" {
				fmt.Fprintf(to.out, " (default %s)", f.DefValue)
			}
			fmt.Fprintf(to.out, " [%s]\n", variable(f.Name))
		})
	}
	return fs
}

func variable(name string) string {
	return "WEIR_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// gatewayFlags adds the flags that serve and demo share.
func (c *config) gatewayFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.listen, "listen", "127.0.0.1:7432", "`ADDRESS` where PostgreSQL clients connect")
	fs.StringVar(&c.mongoListen, "mongo-listen", "127.0.0.1:27717", "`ADDRESS` where MongoDB drivers reach the embedded engine; \"\" turns it off")
	fs.StringVar(&c.logLevel, "log-level", "info", "`LEVEL` of the log on standard error: debug, info, warn, error")
	fs.BoolVar(&c.allowPrivate, "allow-private-targets", false, "let webhooks go to private and loopback addresses")
	fs.Var(&c.allowTargets, "allow-target", "let webhooks go to this private `CIDR`; may be repeated")
	fs.StringVar(&c.secretKey, "secret-key", "", "`KEY` that encrypts the credentials of CREATE CONNECTION in the store; better in WEIR_SECRET_KEY or --secret-key-file")
	fs.StringVar(&c.secretFile, "secret-key-file", "", "`FILE` that holds the key")
	fs.StringVar(&c.tempDir, "temp-dir", "", "`DIRECTORY` for rows of sorts, groups and joins that are too many for memory (default: tmp below --dir, else the system's)")
	fs.IntVar(&c.cacheMB, "cache-mb", 0, "bound of the embedded engine's block cache in `MiB`; 0: an eighth of the memory, 256 at least and 4096 at most")
	fs.IntVar(&c.oplogMB, "oplog-mb", 1024, "bound of the embedded engine's oplog in `MiB`")
}

// parse reads flags, then the environment for those that were not given.
func parse(fs *flag.FlagSet, args []string) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return errUsage{fmt.Errorf("unexpected argument %q; see --help", fs.Arg(0))}
	}
	return nil
}

// parseArgs is parse for a subcommand that takes arguments after the flags:
// those with these names, or any number when there are no names.
func parseArgs(fs *flag.FlagSet, args []string, names ...string) ([]string, error) {
	if err := parseFlags(fs, args); err != nil {
		return nil, err
	}
	if len(names) > 0 && fs.NArg() != len(names) {
		return nil, errUsage{fmt.Errorf("use [flags] %s; see --help", strings.Join(names, " "))}
	}
	return fs.Args(), nil
}

func parseFlags(fs *flag.FlagSet, args []string) error {
	help := fs.Usage
	fs.Usage = func() {} // a mistake is one line, not the whole help
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			help()
			return err
		}
		return errUsage{fmt.Errorf("%w; see --help", err)}
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var bad error
	fs.VisitAll(func(f *flag.Flag) {
		if v, ok := os.LookupEnv(variable(f.Name)); ok && !given[f.Name] && bad == nil {
			if err := fs.Set(f.Name, v); err != nil {
				bad = errUsage{fmt.Errorf("%s=%q: %w", variable(f.Name), v, err)}
			}
		}
	})
	return bad
}

// options validates the configuration as a whole.
func (c *config) options(to streams) (o gateway.Options, err error) {
	o = gateway.Options{
		MongoURI: c.mongoURI, EventsURI: c.eventsURI, Dir: c.dir, TempDir: c.tempDir, Listen: c.listen, MongoListen: c.mongoListen, Version: version,
		AllowPrivateTargets: c.allowPrivate, TestCommands: c.testCommands, Auth: c.auth, OplogBytes: int64(c.oplogMB) << 20, CacheBytes: cacheBytes(c.cacheMB),
	}
	if o.Host, err = os.Hostname(); err != nil {
		return o, fmt.Errorf("find the name of this machine: %w", err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return o, errUsage{fmt.Errorf("--log-level %q: use debug, info, warn or error", c.logLevel)}
	}
	o.Logger = slog.New(slog.NewTextHandler(to.err, &slog.HandlerOptions{Level: level}))
	if err := checkAddress("--listen", c.listen); err != nil {
		return o, err
	}
	if c.mongoListen != "" && c.mongoURI == "" {
		if err := checkAddress("--mongo-listen", c.mongoListen); err != nil {
			return o, err
		}
	}
	for name, uri := range map[string]string{"--mongodb-uri": c.mongoURI, "--events-uri": c.eventsURI} {
		if uri == "" {
			continue
		}
		if err := options.Client().ApplyURI(uri).Validate(); err != nil {
			return o, errUsage{fmt.Errorf("%s: %w", name, err)}
		}
	}
	for _, t := range c.allowTargets {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			return o, errUsage{fmt.Errorf("--allow-target %q: use a CIDR such as 10.0.0.0/8", t)}
		}
		o.AllowTargets = append(o.AllowTargets, p)
	}
	if err := c.readSecret(&o); err != nil {
		return o, err
	}
	if o.TLS, err = c.tls.load(); err != nil {
		return o, err
	}
	if c.cacheMB < 0 {
		return o, errUsage{fmt.Errorf("--cache-mb %d: use 0 or more", c.cacheMB)}
	}
	if c.oplogMB < 1 {
		return o, errUsage{fmt.Errorf("--oplog-mb %d: use 1 or more", c.oplogMB)}
	}
	return o, nil
}

// readSecret takes the key from the flag or its file.
func (c *config) readSecret(o *gateway.Options) error {
	if c.secretKey != "" && c.secretFile != "" {
		return errUsage{errors.New("--secret-key and --secret-key-file are given together; use one")}
	}
	o.SecretKey = []byte(c.secretKey)
	if c.secretFile == "" {
		return nil
	}
	key, err := os.ReadFile(c.secretFile)
	if err != nil {
		return errUsage{fmt.Errorf("--secret-key-file: %w", err)}
	}
	if o.SecretKey = bytes.TrimSpace(key); len(o.SecretKey) == 0 {
		return errUsage{fmt.Errorf("--secret-key-file %q is empty", c.secretFile)}
	}
	return nil
}

func checkAddress(name, address string) error {
	if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
		return errUsage{fmt.Errorf("%s %q: use HOST:PORT, for example 127.0.0.1:7432", name, address)}
	}
	return nil
}
