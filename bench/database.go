package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/engine/value"
	"weir/store"
)

const databaseName = "weir_bench_engine"

// database is a side that understands pipelines.
type database interface {
	insert(ctx context.Context, coll string, docs []bson.Raw) error // durable
	read(ctx context.Context, coll string, pipeline []bson.Raw) (int, error)
	watch(ctx context.Context, coll string) (stream, error)
	command(ctx context.Context, cmd bson.D) error
}

type stream interface {
	next(ctx context.Context) (bson.Raw, error)
	close(ctx context.Context)
}

// inProcess is the engine without a socket.
type inProcess struct{ e *engine.Engine }

func namespace(coll string) store.Namespace { return store.Namespace{DB: databaseName, Coll: coll} }

func (d inProcess) insert(ctx context.Context, coll string, docs []bson.Raw) error {
	ops := make([]store.WriteOp, len(docs))
	for i, doc := range docs {
		ops[i] = store.WriteOp{Kind: store.Insert, Document: doc}
	}
	res, err := d.e.Write(ctx, namespace(coll), ops, store.WriteOptions{})
	if err == nil && len(res.Errors) > 0 {
		err = res.Errors[0].Err
	}
	return err
}

func (d inProcess) read(ctx context.Context, coll string, pipeline []bson.Raw) (n int, err error) {
	cur, err := d.e.Aggregate(ctx, namespace(coll), pipeline, store.AggregateOptions{AllowDiskUse: true})
	if err != nil {
		return 0, err
	}
	for {
		if _, err := cur.Next(ctx); errors.Is(err, io.EOF) {
			return n, cur.Close()
		} else if err != nil {
			return n, errors.Join(err, cur.Close())
		}
		n++
	}
}

func (d inProcess) watch(ctx context.Context, coll string) (stream, error) {
	cs, err := d.e.Watch(ctx, namespace(coll), nil, store.WatchOptions{})
	return processStream{cs}, err
}

func (d inProcess) command(ctx context.Context, cmd bson.D) error {
	b, err := bson.Marshal(cmd)
	if err != nil {
		return err
	}
	_, err = d.e.Command(ctx, databaseName, b)
	return err
}

type processStream struct{ cs store.ChangeStream }

func (s processStream) next(ctx context.Context) (bson.Raw, error) {
	for {
		doc, err := s.cs.Next(ctx, time.Second)
		if doc != nil || err != nil {
			return doc, err
		}
	}
}

func (s processStream) close(context.Context) { _ = s.cs.Close() }

// wire is a MongoDB server, real or ours, through the official driver.
type wire struct{ c *mongo.Client }

func connect(uri string) (wire, error) {
	j := true
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetMaxPoolSize(256).SetWriteConcern(&writeconcern.WriteConcern{W: 1, Journal: &j}))
	return wire{c}, err
}

func (d wire) coll(name string) *mongo.Collection { return d.c.Database(databaseName).Collection(name) }

func (d wire) insert(ctx context.Context, coll string, docs []bson.Raw) error {
	if len(docs) == 1 {
		_, err := d.coll(coll).InsertOne(ctx, docs[0])
		return err
	}
	_, err := d.coll(coll).InsertMany(ctx, docs)
	return err
}

func (d wire) read(ctx context.Context, coll string, pipeline []bson.Raw) (n int, err error) {
	cur, err := d.coll(coll).Aggregate(ctx, pipeline)
	if err != nil {
		return 0, err
	}
	defer func() { _ = cur.Close(ctx) }()
	for cur.Next(ctx) {
		n++
	}
	return n, cur.Err()
}

func (d wire) watch(ctx context.Context, coll string) (stream, error) {
	cs, err := d.coll(coll).Watch(ctx, mongo.Pipeline{})
	return wireStream{cs}, err
}

func (d wire) command(ctx context.Context, cmd bson.D) error {
	return d.c.Database(databaseName).RunCommand(ctx, cmd).Err()
}

func (d wire) close(ctx context.Context) { _ = d.c.Disconnect(ctx) }

type wireStream struct{ cs *mongo.ChangeStream }

func (s wireStream) next(ctx context.Context) (bson.Raw, error) {
	if !s.cs.Next(ctx) {
		return nil, errors.Join(s.cs.Err(), ctx.Err())
	}
	return s.cs.Current, nil
}

func (s wireStream) close(ctx context.Context) { _ = s.cs.Close(ctx) }

// serve puts an engine on a loopback port and gives a client of it.
func serve(ctx context.Context, e *engine.Engine) (d wire, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return d, nil, err
	}
	sctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return opmsg.NewServer(e, opmsg.Options{}).Serve(sctx, l) })
	d, err = connect("mongodb://" + l.Addr().String() + "/?directConnection=true")
	return d, func() {
		if d.c != nil {
			d.close(context.WithoutCancel(ctx))
		}
		cancel()
		_ = group.Wait()
	}, err
}

// document is the i-th document: 10 fields, about 250 bytes.
func document(dst []byte, i int) bson.Raw {
	statuses := [...]string{"open", "paid", "shipped", "returned"}
	start, d := value.BeginDocument(dst)
	d = value.AppendElement(d, "_id", value.ObjectID(objectID(i)))
	d = value.AppendElement(d, "qty", value.Int32(int32(scatter(i)%1000)))
	d = value.AppendElement(d, "total", value.Int64(int64(scatter(i+1)%1_000_000)))
	d = value.AppendElement(d, "amount", value.Double(float64(scatter(i+2)%100_000)/100))
	d = value.AppendElement(d, "status", value.String(statuses[scatter(i+3)%4]))
	d = value.AppendElement(d, "customer", value.String("customer number "+string('a'+rune(i%26))))
	d = value.AppendElement(d, "note", value.String("a note of some length, as people leave them with what they order, ending"))
	d = value.AppendElement(d, "active", value.Bool(scatter(i+4)%10 < 7))
	d = value.AppendElement(d, "at", value.Date(1_700_000_000_000+int64(i)*100))
	d = value.AppendElement(d, "gone", value.Null())
	return value.EndDocument(d, start)
}

func objectID(i int) bson.ObjectID {
	var id bson.ObjectID
	binary.BigEndian.PutUint64(id[4:], uint64(i))
	return id
}

// scatter is a number that looks random.
func scatter(i int) uint64 {
	x := uint64(i)*0x9e3779b97f4a7c15 + 1
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return (x ^ x>>32) & math63
}

const math63 = 1<<63 - 1
