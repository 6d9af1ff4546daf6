// Package remote is the store.Store over a MongoDB server (a replica set or a
// sharded cluster), through the official driver. What the server can do is
// probed when the store is opened, not guessed from its version.
//
// Every error that the server answered comes out as *mongoerr.Error (errors.go).
package remote

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"weir/store"
)

// Options tune a remote store; the zero value works.
type Options struct {
	AppName string
	// ConnectTimeout bounds the first contact, default 10 s.
	ConnectTimeout time.Duration
}

// Store is a MongoDB deployment.
type Store struct {
	client  *mongo.Client
	caps    store.Capabilities
	options *options.ClientOptions

	mu      sync.Mutex
	streams *mongo.Client // of change streams, nil: none was opened yet
	clock   clusterClock  // of the streams
}

var _ store.Store = (*Store)(nil)

// idleConnection is after what time without use a connection is closed, where there may
// be any number of them.
const idleConnection = 5 * time.Minute

// Open connects to the deployment that a mongodb:// or mongodb+srv:// URI names
// and probes it. The error says what could not be reached or understood.
func Open(ctx context.Context, uri string, opts Options) (*Store, error) {
	if opts.ConnectTimeout == 0 {
		opts.ConnectTimeout = 10 * time.Second
	}
	co := options.Client().ApplyURI(uri)
	if co.ServerSelectionTimeout == nil { // the URI says nothing of it
		co.SetServerSelectionTimeout(opts.ConnectTimeout)
	}
	if co.ConnectTimeout == nil && co.HeartbeatInterval == nil { // likewise
		co.SetConnectTimeout(opts.ConnectTimeout).SetHeartbeatInterval(heartbeatEvery)
	}
	if co.MaxPoolSize == nil { // likewise: who reads for long must not keep leases from being renewed
		co.SetMaxPoolSize(0)
		if co.MaxConnIdleTime == nil {
			co.SetMaxConnIdleTime(idleConnection)
		}
	}
	new(connections).watch(co)
	if opts.AppName != "" {
		co.SetAppName(opts.AppName)
	}
	if err := co.Validate(); err != nil {
		return nil, fmt.Errorf("MongoDB URI: %w", err)
	}
	client, err := mongo.Connect(co)
	if err != nil {
		return nil, fmt.Errorf("connect to MongoDB: %w", convert(err))
	}
	s := &Store{client: client, options: co}
	if s.caps, err = probe(ctx, client, uri); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("connect to MongoDB: %w", err)
	}
	return s, nil
}

// Capabilities tells what the probe found.
func (s *Store) Capabilities() store.Capabilities { return s.caps }

// Close ends all connections.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.mu.Lock()
	streams := s.streams
	s.mu.Unlock()
	if streams != nil {
		_ = streams.Disconnect(ctx)
	}
	return s.client.Disconnect(ctx)
}

// streamClient gives the client of change streams. Each of them holds a connection
// while it waits, so that they have a pool of their own without a limit; and a time
// limit of the URI, which is for operations, would end them again and again.
func (s *Store) streamClient() (*mongo.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams != nil {
		return s.streams, nil
	}
	co := *s.options
	co.Timeout = nil
	co.SetMaxPoolSize(0).SetMinPoolSize(0)
	client, err := mongo.Connect(&co)
	if err != nil {
		return nil, convert(err)
	}
	s.streams = client
	return client, nil
}

// Databases lists the databases, sorted by name.
func (s *Store) Databases(ctx context.Context) ([]string, error) {
	names, err := s.client.ListDatabaseNames(ctx, bson.D{})
	if err != nil {
		return nil, convert(err)
	}
	sort.Strings(names)
	return names, nil
}

// Collections lists collections and views, sorted by name.
func (s *Store) Collections(ctx context.Context, db string) ([]store.Collection, error) {
	specs, err := s.client.Database(db).ListCollectionSpecifications(ctx, bson.D{})
	if err != nil {
		return nil, convert(err)
	}
	out := make([]store.Collection, 0, len(specs))
	for _, spec := range specs {
		out = append(out, collection(spec))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

func collection(spec mongo.CollectionSpecification) store.Collection {
	c := store.Collection{Name: spec.Name, View: spec.Type == "view", Options: spec.Options}
	if spec.UUID != nil {
		copy(c.UUID[:], spec.UUID.Data)
	}
	if c.View {
		c.ViewOn, _ = spec.Options.Lookup("viewOn").StringValueOK()
		if arr, ok := spec.Options.Lookup("pipeline").ArrayOK(); ok {
			vals, _ := arr.Values()
			for _, v := range vals {
				c.Pipeline = append(c.Pipeline, v.Document())
			}
		}
	}
	return c
}

// Command runs a command that has a single reply.
func (s *Store) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	reply, err := s.client.Database(db).RunCommand(ctx, cmd).Raw()
	if err != nil {
		return nil, convert(err)
	}
	return reply, nil
}

// Aggregate runs a pipeline.
func (s *Store) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, opts store.AggregateOptions) (store.Cursor, error) {
	return aggregate(ctx, s.client, &s.clock, ns, pipeline, opts)
}

// Write runs operations in order.
func (s *Store) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, opts store.WriteOptions) (store.WriteResult, error) {
	return write(ctx, s.client, ns, ops, opts)
}

// Begin starts a transaction with snapshot reads and majority commit.
func (s *Store) Begin(ctx context.Context) (store.Tx, error) {
	sess, err := s.client.StartSession()
	if err != nil {
		return nil, convert(err)
	}
	if err := startTransaction(sess); err != nil {
		sess.EndSession(ctx)
		return nil, convert(err)
	}
	return &tx{client: s.client, sess: sess}, nil
}

func startTransaction(sess *mongo.Session) error {
	return sess.StartTransaction(options.Transaction().
		SetReadConcern(readconcern.Snapshot()).SetWriteConcern(majority()).SetReadPreference(readpref.Primary()))
}

func majority() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &journal}
}
