package delivery

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"weir/engine"
	"weir/engine/opmsg"
)

// child is a weir serve in a process of its own.
type child struct {
	cmd  *exec.Cmd
	conn *pgx.Conn
}

var listening = regexp.MustCompile(`PostgreSQL clients: (\S+)`)

// startChild runs the program on a MongoDB until it is killed.
func startChild(ctx context.Context, program, uri, db string) (*child, error) {
	cmd := exec.Command(program, "serve", "--mongodb-uri", uri, "--listen", "127.0.0.1:0", "--allow-private-targets", "--log-level", "error")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			c.conn, err = pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/%s?sslmode=disable", m[1], db))
			return c, err
		}
	}
	c.end(syscall.SIGKILL)
	return nil, errors.New("weir serve did not say where it listens")
}

// end sends a signal and waits for the end.
func (c *child) end(s syscall.Signal) {
	_ = c.cmd.Process.Signal(s)
	_ = c.cmd.Wait()
}

// reads tells whether this gateway reads the database.
func (c *child) reads(ctx context.Context) (bool, error) {
	var n int
	err := c.conn.QueryRow(ctx, `SELECT count(*) FROM ACTIVE_CHANGE_STREAMS()`, pgx.QueryExecModeSimpleProtocol).Scan(&n)
	return n > 0, err
}

// measureTakeover ends the gateway that delivers, in two ways, and measures the
// time from the signal until the other one has delivered an event.
func measureTakeover(ctx context.Context, o Options) (_ []line, err error) {
	if o.Program == "" {
		return nil, nil
	}
	uri := o.MongoURI
	if uri == "" {
		e, err := engine.Open("", engine.Options{InternalDatabases: []string{"weir"}})
		if err != nil {
			return nil, err
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		sctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- opmsg.NewServer(e, opmsg.Options{}).Serve(sctx, ln) }()
		defer func() { stop(); err = errors.Join(err, <-ended, e.Close()) }()
		uri = "mongodb://" + ln.Addr().String() + "/?directConnection=true"
	}
	killed, err := takeover(ctx, o, uri, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	stopped, err := takeover(ctx, o, uri, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	return []line{
		{"takeover after kill -9", fmt.Sprintf("%.1f s", killed.Seconds()), "", "<= 20 s", killed <= 20*time.Second},
		{"takeover after SIGTERM", fmt.Sprintf("%.2f s", stopped.Seconds()), "", "< 1 s", stopped < time.Second},
	}, nil
}

func takeover(ctx context.Context, o Options, uri string, s syscall.Signal) (_ time.Duration, err error) {
	in, err := newReceiver()
	if err != nil {
		return 0, err
	}
	defer in.stop()
	db := fmt.Sprintf("weir_bench_takeover_%d", s)
	var pair [2]*child
	for i := range pair {
		if pair[i], err = startChild(ctx, o.Program, uri, db); err != nil {
			return 0, err
		}
		defer pair[i].end(syscall.SIGKILL)
	}
	for _, sql := range []string{`CREATE TABLE docs (_id int PRIMARY KEY)`, `CREATE EVENT_SUBSCRIPTION bench_taken ON docs DELIVER TO '` + in.url + `'`} {
		if _, err := pair[0].conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return 0, fmt.Errorf("%s: %w", sql, err)
		}
	}
	first, other := pair[0], pair[1]
	if reads, err := first.reads(ctx); err != nil {
		return 0, err
	} else if !reads {
		first, other = other, first
	}
	insert := func(i int) error {
		_, err := other.conn.Exec(ctx, fmt.Sprintf(`INSERT INTO docs (_id) VALUES (%d)`, i), pgx.QueryExecModeSimpleProtocol)
		return err
	}
	if err := insert(1); err != nil {
		return 0, err
	}
	if err := until(ctx, func() (bool, error) { return in.n.Load() >= 1, nil }); err != nil {
		return 0, err
	}
	had := in.n.Load()
	from := time.Now()
	first.end(s)
	if err := insert(2); err != nil {
		return 0, err
	}
	if err := until(ctx, func() (bool, error) { return in.n.Load() > had, nil }); err != nil {
		return 0, err
	}
	took := time.Since(from)
	_, err = other.conn.Exec(ctx, `DROP EVENT_SUBSCRIPTION bench_taken CASCADE`, pgx.QueryExecModeSimpleProtocol)
	return took, err
}
