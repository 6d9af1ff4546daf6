package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"weir/demo"
	"weir/gateway"
)

const demoHelp = `weir demo runs the gateway on the embedded engine with a shop: users, orders,
products, payments and more, a seeded generator of business that goes on, event
subscriptions, and a webhook receiver that fails now and then. It prints what to
type next. Ctrl-C stops it.

Without --dir everything is in memory and gone afterwards.

Examples:
  weir demo
  weir demo --rate 200 --fail-rate 0.3
  weir demo --dir ./shop-data
`

// demoConfig is what demo is told beyond the gateway's flags.
type demoConfig struct {
	config
	rate     float64
	failRate float64
	seed     uint64
}

func runDemo(ctx context.Context, io streams, args []string) error {
	var c demoConfig
	fs := flags(io, "demo", demoHelp)
	c.gatewayFlags(fs)
	fs.StringVar(&c.dir, "dir", "", "`DIRECTORY` to keep the data in; \"\" keeps it in memory")
	fs.Float64Var(&c.rate, "rate", 20, "`WRITES` per second of the business; 0 stops it")
	fs.Float64Var(&c.failRate, "fail-rate", 0.1, "`SHARE` of the webhooks that the receiver refuses, 0 to 1")
	fs.Uint64Var(&c.seed, "seed", 1, "`NUMBER` from which the data and the business are drawn")
	if err := parse(fs, args); err != nil {
		return err
	}
	if c.rate < 0 || c.rate > 100_000 {
		return errUsage{fmt.Errorf("--rate %g: use 0 to 100000", c.rate)}
	}
	if c.failRate < 0 || c.failRate > 1 {
		return errUsage{fmt.Errorf("--fail-rate %g: use 0 to 1", c.failRate)}
	}
	c.allowPrivate = true // the receiver is on loopback
	o, err := c.options(io)
	if err != nil {
		return err
	}
	g, err := gateway.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	return c.run(ctx, io, g)
}

// run loads the shop and keeps it open until ctx ends.
func (c *demoConfig) run(ctx context.Context, io streams, g *gateway.Gateway) error {
	receiver, err := demo.NewReceiver(c.seed, c.failRate)
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(gctx) })
	group.Go(func() error { return receiver.Run(gctx) })
	group.Go(func() error {
		data := demo.NewData(c.seed, time.Now())
		if err := data.Open(gctx, g.Store()); err != nil {
			return err
		}
		if err := subscribe(gctx, g, demo.Subscriptions(receiver)); err != nil {
			return err
		}
		next(io, g)
		return demo.NewActivity(data, g.Store(), c.rate).Run(gctx)
	})
	err = group.Wait()
	if ctx.Err() != nil {
		received, failed := receiver.Counts()
		fmt.Fprintf(io.out, "\nThe shop is closed. The webhook receiver took %d deliveries and refused %d.\n", received, failed)
		return nil
	}
	return err
}

// subscribe runs the statements as a user would, over the wire.
func subscribe(ctx context.Context, g *gateway.Gateway, statements []string) error {
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://demo@%s/%s?sslmode=disable", g.SQLAddr(), demo.Database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("create the demo's subscriptions: %w", err)
		}
	}
	return nil
}

// next prints what to type.
func next(io streams, g *gateway.Gateway) {
	host, port := split(g.SQLAddr())
	fmt.Fprintf(io.out, `The shop is open. In another terminal:

  psql -h %s -p %s -U demo %s

Three things to try there:

  SELECT status, count(*), sum(order_total) FROM orders GROUP BY status ORDER BY 2 DESC;

  SELECT p.name, sum(i.qty) AS sold
  FROM orders o, jsonb_to_recordset(o.items) AS i(sku text, qty int) JOIN products p ON p.sku = i.sku
  GROUP BY p.name ORDER BY sold DESC LIMIT 5;

  SELECT subscription_id, processing_status, count(*) FROM CHANGE_STREAM_EVENTS() GROUP BY 1, 2 ORDER BY 1, 2;

Then subscribe to something, and watch it live:

  %s
  SUBSCRIBE TO orders;
`, host, port, demo.Database, demo.UserEvents)
	if a := g.MongoAddr(); a != nil {
		fmt.Fprintf(io.out, "\nMongoDB drivers and mongosh: mongodb://%s/%s?directConnection=true\n", a, demo.Database)
	}
	fmt.Fprintln(io.out, "\nCtrl-C closes the shop.")
}

func split(addr net.Addr) (host, port string) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String(), ""
	}
	return host, port
}
