package testkit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/internal/testkit"
)

// chaosBroker is a broker, or another deployment, behind a proxy. One subscription
// delivers to it; what it took is read past the proxy.
type chaosBroker struct {
	kind    string
	proxy   *testkit.Proxy
	connect string // TO clause of its connection
	deliver string // DELIVER TO clause and options of its own
	track   *chaosTrack
	program *chaosProgram              // nil: it is a part of this process
	read    func(context.Context) bool // accounts for what came meanwhile; false: nothing did
}

// chaosDedupe is for how long brokers know what they took: longer than a run goes back.
const chaosDedupe = 10 * time.Minute

// startBrokers starts all kinds but those whose programs are not there.
func (c *chaos) startBrokers() {
	c.brokers = append(c.brokers, c.kafka(), c.elsewhere())
	if port, p := startProgram(c.t, "redis-server", func(port, dir string) []string {
		return []string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"}
	}); p != nil {
		c.brokers = append(c.brokers, c.redis(port, p))
	}
	if port, p := startProgram(c.t, "nats-server", func(port, dir string) []string {
		return []string{"-a", "127.0.0.1", "-p", port, "-js", "-sd", dir}
	}); p != nil {
		c.brokers = append(c.brokers, c.nats(port, p))
	}
	c.reads(c.copies())
	for _, b := range c.brokers {
		c.reads(b.read)
	}
}

// reads calls read again and again until the test ends.
func (c *chaos) reads(read func(context.Context) bool) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if !read(ctx) {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}()
	c.t.Cleanup(func() { stop(); <-ended })
}

// takeBody accounts for an event in JSON that came under an id.
func (t *chaosTrack) takeBody(id string, body []byte) {
	var e chaosEvent
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.complain("%v: id %s of %s", err, id, body)
		return
	}
	key, n := e.change()
	t.take(key, n, id, false)
}

func (c *chaos) redis(port string, p *chaosProgram) *chaosBroker {
	const stream = "changes"
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	c.t.Cleanup(func() { _ = client.Close() })
	require.Eventually(c.t, func() bool { return client.Ping(context.Background()).Err() == nil }, chaosPatience, 5*time.Millisecond)
	proxy, t, last := testkit.StartProxy(c.t, "127.0.0.1:"+port), newChaosTrack("streamed", c.journal), "-"
	t.once = true
	return &chaosBroker{"redis", proxy, fmt.Sprintf(`REDIS (url = 'redis://%s')`, proxy.Addr()), c.deduped(`REDIS '` + stream + `'`), t, p,
		func(ctx context.Context) bool {
			got, err := client.XRangeN(ctx, stream, last, "+", 500).Result()
			if err != nil {
				return false
			}
			for _, e := range got {
				t.takeBody(e.Values["id"].(string), []byte(e.Values["body"].(string)))
				last = "(" + e.ID
			}
			return len(got) > 0
		}}
}

func (c *chaos) deduped(target string) string {
	return fmt.Sprintf(`%s USING %%s WITH (dedupe_window = '%d seconds', `, target, int(chaosDedupe.Seconds()))
}

func (c *chaos) nats(port string, p *chaosProgram) *chaosBroker {
	var conn *nats.Conn
	require.Eventually(c.t, func() (ok bool) {
		var err error
		conn, err = nats.Connect("nats://127.0.0.1:"+port, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
		return err == nil
	}, chaosPatience, 10*time.Millisecond)
	c.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(c.t, err)
	stream, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "CHANGES", Subjects: []string{"changes.>"}, Duplicates: chaosDedupe})
	require.NoError(c.t, err)
	proxy, t, next := testkit.StartProxy(c.t, "127.0.0.1:"+port), newChaosTrack("published", c.journal), uint64(1)
	t.once = true
	return &chaosBroker{"nats", proxy, fmt.Sprintf(`NATS (url = 'nats://%s')`, proxy.Addr()), c.deduped(`NATS 'changes.docs'`), t, p,
		func(ctx context.Context) bool {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			m, err := stream.GetMsg(ctx, next)
			if err != nil {
				return false
			}
			t.takeBody(m.Header.Get(jetstream.MsgIDHeader), m.Data)
			next++
			return true
		}}
}

func (c *chaos) kafka() *chaosBroker {
	proxy, client := testkit.StartKafka(c.t, "changes", 3)
	t := newChaosTrack("produced", c.journal)
	t.lax = true // of a gateway that died, all that it had under way may come again
	return &chaosBroker{"kafka", proxy, fmt.Sprintf(`KAFKA (brokers = '%s')`, proxy.Addr()), `KAFKA 'changes' USING %s WITH (`, t, nil,
		func(ctx context.Context) bool {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				at := slices.IndexFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "weir-id" })
				t.takeBody(string(r.Headers[at].Value), r.Value)
			})
			return true
		}}
}

// elsewhere is a collection of another deployment.
func (c *chaos) elsewhere() *chaosBroker {
	store := chaosStore(c.t)
	proxy, t := testkit.StartProxy(c.t, store), newChaosTrack("elsewhere", c.journal)
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + store + "/?directConnection=true"))
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	t.lax = true // an event that comes again replaces its own document
	return &chaosBroker{"mongodb", proxy, fmt.Sprintf(`MONGODB (uri = 'mongodb://%s/?directConnection=true')`, proxy.Addr()), `COLLECTION copies USING %s WITH (`, t, nil,
		c.writesTo(client.Database(chaosDatabase).Collection("copies"), t)}
}

// copies reads what the collection sink wrote: each event once, whatever happens.
func (c *chaos) copies() func(context.Context) bool {
	t := c.in.track("copied")
	t.once = true
	return c.writesTo(c.client.Database(chaosDatabase).Collection("copies"), t)
}

// writesTo accounts for what is written to a collection, in the order of its change stream.
func (c *chaos) writesTo(coll *mongo.Collection, t *chaosTrack) func(context.Context) bool {
	cs, err := coll.Watch(context.Background(), mongo.Pipeline{})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = cs.Close(context.Background()) })
	return func(ctx context.Context) bool {
		if !cs.Next(ctx) {
			if ctx.Err() == nil {
				c.t.Errorf("the change stream of what is copied: %v", cs.Err())
				<-ctx.Done()
			}
			return false
		}
		var e struct {
			OperationType string     `bson:"operationType"`
			FullDocument  *chaosCopy `bson:"fullDocument"`
			DocumentKey   struct {
				ID string `bson:"_id"`
			} `bson:"documentKey"`
		}
		if err := bson.Unmarshal(cs.Current, &e); err != nil || e.FullDocument == nil {
			c.t.Errorf("what is copied: %v: %s", err, cs.Current)
			return true
		}
		t.take(e.FullDocument.Data.DocumentKey.ID, e.FullDocument.change(), e.FullDocument.ID, false)
		return true
	}
}

// chaosCopy is the document of an event.
type chaosCopy struct {
	ID   string `bson:"_id"`
	Data struct {
		DocumentKey struct {
			ID int `bson:"_id"`
		} `bson:"documentKey"`
		FullDocument struct {
			N int64 `bson:"n"`
		} `bson:"fullDocument"`
		UpdateDescription *struct {
			UpdatedFields struct {
				N int64 `bson:"n"`
			} `bson:"updatedFields"`
		} `bson:"updateDescription"`
	} `bson:"data"`
}

func (d *chaosCopy) change() int64 {
	if u := d.Data.UpdateDescription; u != nil {
		return u.UpdatedFields.N
	}
	return d.Data.FullDocument.N
}

// spoil has a broker stall, be away, be slow, cut or lose connections for a while, or
// be killed or stopped and go on with what it has on its disk.
func (c *chaos) spoil() {
	b := c.brokers[c.rng.IntN(len(c.brokers))]
	faults := []testkit.Fault{testkit.Refuse, testkit.Stall, testkit.Reset, testkit.Slow, testkit.Lost}
	what := c.rng.IntN(len(faults) + 2)
	b.track.mayGoBack()
	c.journal.add("%s: fault %d", b.kind, what)
	switch {
	case what < len(faults):
		b.proxy.Set(faults[what])
		c.rest(2500)
		b.proxy.Set(testkit.Pass)
	case b.program == nil:
		c.killAtStep() // in the midst of what it is sent
	case what == len(faults):
		b.program.kill()
		c.rest(1000)
		b.program.start()
	default:
		_ = b.program.cmd.Process.Signal(syscall.SIGSTOP)
		c.rest(3000)
		_ = b.program.cmd.Process.Signal(syscall.SIGCONT)
	}
	b.track.mayGoBack()
	c.did("%s %d", b.kind, what)
}

// chaosProgram is a server that can be killed and started again on its files.
type chaosProgram struct {
	t    *testing.T
	path string
	args []string
	cmd  *exec.Cmd
}

// startProgram runs a server with a port and a folder; nil: it is not installed.
func startProgram(t *testing.T, name string, args func(port, dir string) []string) (string, *chaosProgram) {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Logf("%s is not installed: it is left out", name)
		return "", nil
	}
	port := testkit.FreePort(t)
	p := &chaosProgram{t: t, path: path, args: args(port, t.TempDir())}
	p.start()
	t.Cleanup(p.kill)
	return port, p
}

func (p *chaosProgram) start() {
	p.cmd = exec.Command(p.path, p.args...)
	require.NoError(p.t, p.cmd.Start())
}

func (p *chaosProgram) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
