package main

import (
	"context"
	"errors"
	"fmt"

	"weir/gateway"
)

const serveHelp = `weir serve runs the gateway until it is interrupted.

With --mongodb-uri it stands in front of that MongoDB (a replica set or a sharded
cluster, 5.0 or newer). Without it, it runs the embedded engine, which keeps its
data in --dir and listens for MongoDB drivers on --mongo-listen.

Examples:
  weir serve
  weir serve --mongodb-uri 'mongodb://127.0.0.1:27017/?replicaSet=rs0'
  psql -h 127.0.0.1 -p 7432 -U me mydatabase
`

func serve(ctx context.Context, io streams, args []string) error {
	var c config
	fs := flags(io, "serve", serveHelp)
	c.gatewayFlags(fs)
	fs.StringVar(&c.mongoURI, "mongodb-uri", "", "`URI` of the MongoDB to stand in front of; without it the embedded engine runs")
	fs.StringVar(&c.eventsURI, "events-uri", "", "`URI` of another MongoDB for what the event runtime keeps, the same for all gateways; without it that is in the database weir beside the data")
	fs.StringVar(&c.dir, "dir", "./weir-data", "`DIRECTORY` of the embedded engine's data")
	fs.BoolVar(&c.auth, "auth", false, "demand a login (SCRAM-SHA-256) of PostgreSQL clients and of MongoDB drivers that reach the embedded engine. Users are those of the engine, or of the MongoDB behind --mongodb-uri; the first one of the engine is made with createUser from this machine")
	c.tls.add(fs)
	fs.BoolVar(&c.testCommands, "enable-test-commands", false, "let the embedded engine take configureFailPoint; for tests")
	if err := parse(fs, args); err != nil {
		return err
	}
	if c.mongoURI == "" && c.dir == "" {
		return errUsage{errors.New("--dir is empty; name a directory, or a MongoDB with --mongodb-uri")}
	}
	o, err := c.options(io)
	if err != nil {
		return err
	}
	o.Await = true
	g, err := gateway.Open(ctx, o)
	if err != nil && ctx.Err() != nil {
		return nil // interrupted while it waited for its MongoDB
	}
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	fmt.Fprintf(io.out, "weir %s: PostgreSQL clients: %s", version, g.SQLAddr())
	if a := g.MongoAddr(); a != nil {
		fmt.Fprintf(io.out, " · MongoDB drivers: mongodb://%s/ · data: %s", a, c.dir)
	}
	fmt.Fprintln(io.out)
	return g.Run(ctx)
}
