package testkit_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/events"
	"weir/internal/testkit"
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

// TestChaos has two gateways in processes of their own, each with a clock of its
// own, deliver the changes of some keys by subscriptions of every kind. Meanwhile
// gateways end between any two steps of the runtime, at any write to the store and
// in the midst of statements, sleep until their leases are gone, and lose the store;
// the store refuses; receivers fail, stall, hang up and go; brokers are lost and killed; subscriptions are made,
// paused, altered, rewound, backfilled, redriven and dropped; collections come and
// go. It expects that every change arrives at every subscription, that the changes of
// a key arrive in order but for rewinds, that one that comes again has the id that it
// had, and that nothing is left undone.
//
//	go test ./internal/testkit -run TestChaos -chaos.kills 200 -chaos.seed 7 -v
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	t.Logf("-chaos.seed %d", seed)
	c := startChaos(t, seed)
	c.startBrokers()
	c.subscribe()
	w := c.write(c.behindMost)
	c.writers = w
	stopPulling := c.pull()
	began := time.Now()
	for *chaosKills == 0 && time.Since(began) < *chaosTime || c.kills < *chaosKills {
		c.act()
	}
	w.stop()
	c.settle()
	stopPulling()
	t.Logf("%d kills at %v, %d changes of %d keys, %d deliveries, %d refused; %v",
		c.kills, c.killedAt, w.total(), chaosKeys, c.in.taken.Load(), c.in.refused.Load(), c.done)
	require.Empty(t, c.violations())
	require.Equal(t, w.checksums(), c.track("watched").checksums(), "a change was lost")
	c.consistent()
}

// chaos is a run.
type chaos struct {
	t        *testing.T
	journal  *chaosJournal
	rng      *rand.Rand
	store    string // its address
	client   *mongo.Client
	in       *chaosReceiver
	poisoned *chaosReceiver // which never takes some changes
	brokers  []*chaosBroker
	writers  *chaosWriters
	kills    int
	killedAt map[string]int
	done     map[string]int // what else was done

	mu       sync.Mutex // guards gateways, which are replaced by act only
	gateways [2]*chaosProcess

	extra int // so many subscriptions were made and dropped
}

func startChaos(t *testing.T, seed uint64) *chaos {
	j := keepJournal(t)
	c := &chaos{t: t, journal: j, rng: rand.New(rand.NewPCG(seed, 1)), in: newChaosReceiver(t, seed, j), poisoned: newChaosReceiver(t, seed, j), killedAt: map[string]int{}, done: map[string]int{}}
	c.poisoned.steady = true
	c.store = chaosStore(t)
	var err error
	c.client, err = mongo.Connect(options.Client().ApplyURI("mongodb://" + c.store + "/?directConnection=true"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.client.Disconnect(context.Background()) })
	for i := range c.gateways {
		c.replace(i)
	}
	return c
}

// chaosStore runs an engine behind its MongoDB port, without a gateway.
func chaosStore(t *testing.T) string {
	t.Helper()
	e, err := engine.Open("", engine.Options{InternalDatabases: []string{"weir"}, TestCommands: true})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, ln) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended); require.NoError(t, e.Close()) })
	return ln.Addr().String()
}

// replace puts a new gateway in a place, with a clock that may be wrong.
func (c *chaos) replace(i int) {
	skews := []time.Duration{0, 0, -time.Hour, time.Hour, -10 * 24 * time.Hour, 10 * 24 * time.Hour}
	p := startChaosGateway(c.t, c.store, skews[c.rng.IntN(len(skews))])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gateways[i] = p
}

// any is one of the gateways.
func (c *chaos) any(i int) *chaosProcess {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gateways[i]
}

// act does one thing at random: mostly it ends a gateway.
func (c *chaos) act() {
	for i := range c.gateways {
		if c.any(i).over() { // by itself: it started while the store refused
			c.did("ended by itself")
			c.replace(i)
		}
	}
	switch n := c.rng.IntN(23); {
	case n < 5:
		c.killAtStep()
	case n < 8:
		c.killAtCommand()
	case n < 9:
		c.terminate()
	case n < 14:
		c.change()
	case n < 15:
		c.sleep()
	case n < 17:
		c.part()
	case n < 18:
		c.refuse()
	case n < 19:
		c.leave()
	case n < 22:
		c.spoil()
	default:
		c.rest(200)
	}
}

// did notes what was done.
func (c *chaos) did(format string, args ...any) {
	c.done[fmt.Sprintf(format, args...)]++
	c.journal.add(format, args...)
}

// rest waits for a time that is at most so many milliseconds.
func (c *chaos) rest(ms int) { time.Sleep(time.Duration(c.rng.IntN(ms)) * time.Millisecond) }

// killAtStep ends the gateway that comes to a step of the runtime first, or any
// where none does.
func (c *chaos) killAtStep() {
	step, nth := events.Steps()[c.rng.IntN(len(events.Steps()))], 1+c.rng.IntN(4)
	for i := range c.gateways {
		c.any(i).arm(step, nth)
	}
	c.awaitDeath(string(step))
	for i := range c.gateways {
		c.any(i).arm("none", 0)
	}
}

// killAtCommand ends the gateway that writes to the store for a number of times
// first, before the store has the write or after.
func (c *chaos) killAtCommand() {
	nth, answered := 1+c.rng.IntN(60), c.rng.IntN(2) == 0
	for i := range c.gateways {
		c.any(i).armCommand(nth, answered)
	}
	at := "before a write"
	if answered {
		at = "after a write"
	}
	c.awaitDeath(at)
	for i := range c.gateways {
		c.any(i).armCommand(0, false)
	}
}

// awaitDeath waits for the end of a gateway, kills one if none ends, and starts
// another one in its place after a while.
func (c *chaos) awaitDeath(at string) {
	i := c.rng.IntN(2)
	select {
	case <-c.any(0).ended:
		i = 0
	case <-c.any(1).ended:
		i = 1
	case <-time.After(1500 * time.Millisecond):
		at = "SIGKILL"
		c.any(i).kill()
	}
	c.killed(i, at)
}

func (c *chaos) killed(i int, at string) {
	c.any(i).kill()
	c.killedAt[at]++
	c.journal.add("gateway %d killed: %s", i, at)
	c.kills++
	c.rest(300)
	c.replace(i)
}

// terminate asks a gateway to end.
func (c *chaos) terminate() {
	i := c.rng.IntN(2)
	p := c.any(i)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		c.t.Error("a gateway did not end on SIGTERM within 20 s")
	}
	c.killed(i, "SIGTERM")
}

// sleep stops a gateway for longer than its leases last; what it does then is too late.
func (c *chaos) sleep() {
	c.mayGoBack()
	i := c.rng.IntN(2)
	c.journal.add("gateway %d sleeps", i)
	c.any(i).sleep(chaosLease + time.Duration(c.rng.IntN(1500))*time.Millisecond)
	c.mayGoBack()
	c.did("slept")
}

// part spoils the connections of a gateway to the store for a while.
func (c *chaos) part() {
	faults := []testkit.Fault{testkit.Refuse, testkit.Stall, testkit.Reset, testkit.Slow, testkit.Lost}
	fault := faults[c.rng.IntN(len(faults))]
	c.mayGoBack()
	i := c.rng.IntN(2)
	p := c.any(i)
	c.journal.add("gateway %d: store fault %d", i, fault)
	p.proxy.Set(fault)
	c.rest(2000)
	p.proxy.Set(testkit.Pass)
	c.mayGoBack()
	c.did("store %d", fault)
}

// leave has an endpoint be gone for a while.
func (c *chaos) leave() {
	name := chaosWebhooks[c.rng.IntN(len(chaosWebhooks))]
	c.in.gone.Store(name)
	c.rest(300)
	c.in.gone.Store("")
	c.did("gone")
	c.must(`RESUME EVENT_SUBSCRIPTION ` + name)
}

// mayGoBack allows every key of every subscription to go back once, for what a
// gateway sends that does not know yet that another one took over.
func (c *chaos) mayGoBack() {
	for _, t := range c.tracks() {
		t.mayGoBack()
	}
}

// try runs a statement on a gateway that may die meanwhile.
func (c *chaos) try(sql string) bool { return c.tryOn(c.any(c.rng.IntN(2)), sql) }

func (c *chaos) tryOn(p *chaosProcess, sql string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	conn, err := p.connect(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, sql)
		_ = conn.Close(ctx)
	}
	if err != nil && !p.over() {
		c.t.Logf("%.80s: %v", sql, err)
	}
	return err == nil
}

func (c *chaos) must(sql string) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !c.try(sql); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			c.explain()
			c.t.Fatalf("%s: not within a minute", sql)
		}
		for i := range c.gateways {
			if c.any(i).over() {
				c.replace(i)
			}
		}
	}
}

// chaosPatience is how long nothing may arrive while something is left: a lost
// connection is noticed after half a minute.
const chaosPatience = 60 * time.Second

// settle lets everything arrive.
func (c *chaos) settle() {
	began := time.Now()
	for _, name := range c.pausable() {
		c.must(`RESUME EVENT_SUBSCRIPTION ` + quoted(name))
	}
	c.await("changes are missing", func() (int64, []string) {
		var missing []string
		var arrived int64
		for _, t := range c.tracks() {
			missing = append(missing, t.missing(c.writers.made())...)
			arrived += t.arrived()
		}
		return arrived, missing
	})
	c.await("changes of the schema are missing", func() (int64, []string) {
		came, made := c.in.changesOfSchema(), c.writers.changesOfSchema()
		return int64(len(came)), made[min(len(came), len(made)):]
	})
	require.Equal(c.t, c.writers.changesOfSchema(), c.in.changesOfSchema())
	c.t.Logf("all arrived within %v", time.Since(began))
}

// await waits until nothing is missing, for as long as more arrives.
func (c *chaos) await(what string, f func() (arrived int64, missing []string)) {
	c.t.Helper()
	most, missing := f()
	for end := time.Now().Add(chaosPatience); len(missing) > 0; time.Sleep(50 * time.Millisecond) {
		var now int64
		if now, missing = f(); now > most {
			most, end = now, time.Now().Add(chaosPatience)
		}
		if time.Now().After(end) {
			c.explain()
			c.t.Fatalf("%s: %s", what, strings.Join(missing[:min(20, len(missing))], "\n"))
		}
	}
}

// tracks are all accounts, but of what was dropped.
func (c *chaos) tracks() []*chaosTrack {
	out := slices.Concat(c.in.all(), c.poisoned.all())
	for _, b := range c.brokers {
		out = append(out, b.track)
	}
	return out
}

func (c *chaos) track(name string) *chaosTrack {
	for _, t := range c.tracks() {
		if t.name == name {
			return t
		}
	}
	return nil
}

// behindMost is how many changes have arrived where the fewest have.
func (c *chaos) behindMost() int64 {
	low := int64(1) << 60
	for _, t := range c.tracks() {
		if !strings.HasPrefix(t.name, "extra") {
			low = min(low, t.arrived())
		}
	}
	return low
}

func (c *chaos) violations() []string {
	out := slices.Concat(c.in.own(), c.poisoned.own())
	for _, t := range c.tracks() {
		out = append(out, t.violations()...)
	}
	return out
}

// explain logs what the gateways and the receiver know.
func (c *chaos) explain() {
	c.t.Logf("%d kills at %v; %v", c.kills, c.killedAt, c.done)
	c.t.Log("wrong:", c.violations())
	for i := range c.gateways {
		p := c.any(i)
		for _, sql := range []string{
			`SELECT subscription_id, status, desired_status, status_reason, position, pending, retrying, blocked_keys, gateway, last_error FROM EVENT_SUBSCRIPTIONS()`,
			`SELECT subscription_id, processing_status, count(*), min(position), max(position), max(last_error) FROM CHANGE_STREAM_EVENTS() GROUP BY 1, 2 ORDER BY 1, 2`,
			`SELECT status, gateway, last_error, reopens FROM ACTIVE_CHANGE_STREAMS()`,
			`SELECT gateway_id, host, heartbeat_at, status FROM EVENT_GATEWAYS()`,
			`SELECT * FROM EVENT_BACKFILLS()`, `SELECT * FROM EVENT_REDRIVES()`,
		} {
			rows, err := c.query(p, sql)
			c.t.Log(p.addr, sql, err)
			for _, r := range rows {
				c.t.Log("   ", r)
			}
		}
	}
	for _, coll := range []string{"event_readers", "event_cursors"} {
		cur, err := c.client.Database("weir").Collection(coll).Find(context.Background(), map[string]any{})
		if err != nil {
			continue
		}
		for cur.Next(context.Background()) {
			c.t.Log(coll, cur.Current.String())
		}
	}
}

func (c *chaos) query(p *chaosProcess, sql string) (out [][]any, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return out, err
		}
		out = append(out, values)
	}
	return out, rows.Err()
}
