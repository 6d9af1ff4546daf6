package testkit_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/events"
)

var (
	chaosKills = flag.Int("chaos.kills", 0, "kill gateways so often in TestChaos; 0: for as long as -chaos.time")
	chaosTime  = flag.Duration("chaos.time", 4*time.Second, "for how long TestChaos kills gateways without -chaos.kills")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "seed of TestChaos, which prints it; 0: a new one")
)

func TestMain(m *testing.M) {
	if uri := os.Getenv(chaosVariable); uri != "" {
		os.Exit(chaosGateway(uri))
	}
	os.Exit(m.Run())
}

// TestChaos has two gateways in processes of their own deliver the changes of
// some keys to a receiver that fails one time in ten, while gateways end between
// any two steps of the runtime, or by SIGKILL, and the subscription is paused,
// altered and rewound. It expects that every change arrives, that the changes of
// a key arrive in order but for rewinds, and that one that comes again has the
// id that it had.
//
//	go test ./internal/testkit -run TestChaos -chaos.kills 200 -chaos.seed 7 -v
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	t.Logf("-chaos.seed %d", seed)
	c := &chaos{t: t, rng: rand.New(rand.NewPCG(seed, 1)), in: newChaosReceiver(t, seed), killedAt: map[events.Step]int{}}
	c.uri = chaosStore(t)
	var err error
	c.client, err = mongo.Connect(options.Client().ApplyURI(c.uri))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.client.Disconnect(context.Background()) })
	c.gateways = [2]*chaosProcess{startChaosGateway(t, c.uri), startChaosGateway(t, c.uri)}
	c.must(`CREATE EVENT_SUBSCRIPTION watched ON docs FOR INSERT, UPDATE DELIVER TO '` + c.in.URL +
		`' WITH (max_retry_attempts = -1, retry_delay_ms = 5, max_retry_delay_ms = 40)`)
	c.must(`CREATE EVENT_SUBSCRIPTION logged ON docs`) // beside which images are stored once
	w := c.write()
	end := time.Now().Add(*chaosTime)
	for *chaosKills == 0 && time.Now().Before(end) || c.kills < *chaosKills {
		c.act()
	}
	w.stop()
	c.settle(w)
	t.Logf("%d kills at %v, %d changes of %d keys, %d deliveries, %d refused, %d repeated, %d rewinds",
		c.kills, c.killedAt, w.total(), chaosKeys, c.in.taken.Load(), c.in.refused.Load(), c.in.repeated(), c.rewinds)
	require.Empty(t, c.in.violations())
	require.Equal(t, w.checksums(), c.in.checksums(), "a change was lost")
}

const chaosKeys = 24

// chaosStore runs an engine behind its MongoDB port, without a gateway.
func chaosStore(t *testing.T) string {
	t.Helper()
	e, err := engine.Open("", engine.Options{InternalDatabases: []string{"weir"}})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, ln) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended); require.NoError(t, e.Close()) })
	return "mongodb://" + ln.Addr().String() + "/?directConnection=true"
}

// chaos is a run.
type chaos struct {
	t        *testing.T
	rng      *rand.Rand
	uri      string
	client   *mongo.Client
	in       *chaosReceiver
	gateways [2]*chaosProcess
	kills    int
	rewinds  int
	killedAt map[events.Step]int
}

// act does one thing at random: mostly it ends a gateway.
func (c *chaos) act() {
	switch n := c.rng.IntN(10); {
	case n < 6:
		c.kill()
	case n < 7:
		c.try(`PAUSE EVENT_SUBSCRIPTION watched`)
		time.Sleep(time.Duration(c.rng.IntN(100)) * time.Millisecond)
		c.try(`RESUME EVENT_SUBSCRIPTION watched`)
	case n < 8:
		c.try(fmt.Sprintf(`ALTER EVENT_SUBSCRIPTION watched SET (max_retry_delay_ms = %d)`, 20+c.rng.IntN(60)))
	case n < 9:
		c.in.mayGoBack()
		c.rewinds++
		c.try(fmt.Sprintf(`REWIND EVENT_SUBSCRIPTION watched TO TIMESTAMP '%s'`, time.Now().Add(-time.Duration(1+c.rng.IntN(3))*time.Second).UTC().Format("2006-01-02T15:04:05.000Z")))
	default:
		time.Sleep(time.Duration(c.rng.IntN(200)) * time.Millisecond)
	}
}

// kill ends the gateway that comes to a step of the runtime first, or any where
// none does, and starts another one in its place after a while.
func (c *chaos) kill() {
	a, b := c.gateways[0], c.gateways[1]
	step, nth := events.Steps()[c.rng.IntN(len(events.Steps()))], 1+c.rng.IntN(4)
	a.arm(step, nth)
	b.arm(step, nth)
	i, at := c.rng.IntN(2), step
	select {
	case <-a.ended:
		i = 0
	case <-b.ended:
		i = 1
	case <-time.After(1500 * time.Millisecond):
		at = "SIGKILL"
		c.gateways[i].kill()
	}
	c.gateways[1-i].arm("none", 0)
	c.killedAt[at]++
	c.kills++
	time.Sleep(time.Duration(c.rng.IntN(300)) * time.Millisecond)
	c.gateways[i] = startChaosGateway(c.t, c.uri)
}

// try runs a statement on a gateway that may die meanwhile.
func (c *chaos) try(sql string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p := c.gateways[c.rng.IntN(2)]
	conn, err := p.connect(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, sql)
		_ = conn.Close(ctx)
	}
	if err != nil {
		c.t.Logf("%s: %v", sql, err)
	}
	return err == nil
}

func (c *chaos) must(sql string) {
	require.Eventually(c.t, func() bool { return c.try(sql) }, time.Minute, 50*time.Millisecond, sql)
}

// settle lets everything arrive.
func (c *chaos) settle(w *chaosWriters) {
	c.must(`RESUME EVENT_SUBSCRIPTION watched`)
	began, behind, arrived := time.Now(), w.total()-c.in.arrived(), c.in.arrived()
	for end := time.Now().Add(chaosPatience); !c.in.reached(w); time.Sleep(20 * time.Millisecond) {
		if now := c.in.arrived(); now > arrived {
			arrived, end = now, time.Now().Add(chaosPatience)
		}
		if time.Now().After(end) {
			c.explain(w)
			c.t.Fatal("changes are missing")
		}
	}
	c.t.Logf("the last %d changes arrived in %v", behind, time.Since(began))
}

const (
	// chaosPatience is how long nothing may arrive while something is left.
	chaosPatience = 40 * time.Second
	// chaosAhead is how many changes may wait; more would only make the test long.
	chaosAhead = 20_000
)

// explain logs what the gateways and the receiver know.
func (c *chaos) explain(w *chaosWriters) {
	c.t.Log(c.in.progress(w))
	for _, p := range c.gateways {
		conn, err := p.connect(context.Background())
		if err != nil {
			c.t.Logf("gateway %s: %v", p.addr, err)
			continue
		}
		for _, sql := range []string{
			`SELECT status, desired_status, status_reason, position, pending, retrying, last_error FROM EVENT_SUBSCRIPTIONS()`,
			`SELECT processing_status, count(*), min(position), max(position), max(last_error) FROM CHANGE_STREAM_EVENTS('watched') GROUP BY 1`,
			`SELECT status, gateway, last_error, reopens FROM ACTIVE_CHANGE_STREAMS()`,
		} {
			rows, err := conn.Query(context.Background(), sql)
			if err != nil {
				c.t.Logf("%s: %v", sql, err)
				continue
			}
			for rows.Next() {
				values, err := rows.Values()
				c.t.Log(p.addr, values, err)
			}
		}
		_ = conn.Close(context.Background())
	}
	for _, coll := range []string{"event_readers", "event_cursors"} {
		cur, err := c.client.Database("weir").Collection(coll).Find(context.Background(), bson.D{})
		if err != nil {
			continue
		}
		for cur.Next(context.Background()) {
			c.t.Log(coll, cur.Current.String())
		}
	}
}

// chaosWriters change keys one after the other; a key's changes are counted.
type chaosWriters struct {
	ended  sync.WaitGroup
	cancel context.CancelFunc
	counts [chaosKeys]atomic.Int64
}

// write starts writers, of which each has keys of its own.
func (c *chaos) write() *chaosWriters {
	coll := c.client.Database(chaosDatabase).Collection("docs")
	ctx, cancel := context.WithCancel(context.Background())
	w := &chaosWriters{cancel: cancel}
	const writers = 4
	for first := range writers {
		w.ended.Go(func() {
			for n := int64(1); ctx.Err() == nil; n++ {
				for key := first; key < chaosKeys; key += writers {
					set := bson.D{{Key: "n", Value: n}}
					if key%3 == 0 && n == 1 {
						set = append(set, bson.E{Key: "pad", Value: strings.Repeat("padding ", 200)})
					}
					_, err := coll.UpdateOne(context.Background(), bson.D{{Key: "_id", Value: key}}, bson.D{{Key: "$set", Value: set}}, options.UpdateOne().SetUpsert(true))
					if err != nil {
						c.t.Errorf("write: %v", err)
						return
					}
					w.counts[key].Store(n)
				}
				time.Sleep(10 * time.Millisecond)
				for ctx.Err() == nil && w.total()-c.in.arrived() > chaosAhead {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	return w
}

func (w *chaosWriters) stop() {
	w.cancel()
	w.ended.Wait()
}

func (w *chaosWriters) total() (n int64) {
	for i := range w.counts {
		n += w.counts[i].Load()
	}
	return n
}

// checksums chains a CRC over the changes of each key.
func (w *chaosWriters) checksums() (sums [chaosKeys]uint32) {
	for key := range w.counts {
		for n := int64(1); n <= w.counts[key].Load(); n++ {
			sums[key] = chain(sums[key], n)
		}
	}
	return sums
}
