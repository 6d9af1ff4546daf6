package testkit_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// chaosSubscriptions are there all the time and may be paused, as those of brokers may;
// chaosWebhooks are those of them whose endpoints may go.
var (
	chaosSubscriptions = []string{"watched", "lean", "sharded", "batched", "copied", "poisoned", "filled", "schema", "told"}
	chaosWebhooks      = []string{"watched", "lean", "sharded", "batched"}
)

// chaosDocs is how many documents a backfill finds: more than a chunk.
const chaosDocs = 1200

// subscribe makes the subscriptions: with an outcome recorded for each event or by
// the cursor alone, in shards, in batches, into a collection, by PULL, to a channel,
// of the schema, to each broker, and one whose receiver never takes some.
func (c *chaos) subscribe() {
	const patient = `max_retry_attempts = -1, retry_delay_ms = 5, max_retry_delay_ms = 40, processing_timeout_ms = 2000`
	to := func(name string) string { return `DELIVER TO '` + c.in.URL + `/` + name + `'` }
	changes := `ON docs FOR INSERT, UPDATE `
	c.in.track("watched")
	c.in.track("lean").lax = true
	c.in.track("sharded")
	c.in.track("batched").lax = true
	c.in.track("pulled").lax = true
	c.poisoned.track("poisoned").refused = func(key int, n int64) bool { return key%4 == 0 && n%40 == 7 }
	var docs []any
	for i := range chaosDocs {
		docs = append(docs, bson.D{{Key: "_id", Value: i}})
	}
	_, err := c.client.Database(chaosDatabase).Collection("static").InsertMany(context.Background(), docs)
	require.NoError(c.t, err)
	for _, sql := range []string{
		`watched ` + changes + to("watched") + ` WITH (` + patient + `)`,
		`lean ` + changes + to("lean") + ` WITH (tracking = 'summary', ` + patient + `)`,
		`sharded ` + changes + to("sharded") + ` WITH (delivery_shards = 3, ` + patient + `)`,
		`batched ` + changes + to("batched") + ` WITH (batch_processing = true, batch_size = 20, batch_wait_ms = 5, ` + patient + `)`,
		`copied ` + changes + `DELIVER TO COLLECTION copies WITH (inbox = true, ` + patient + `)`,
		`pulled ` + changes + `DELIVER TO PULL`,
		`told ` + changes + `DELIVER TO NOTIFY news`,
		`poisoned ` + changes + `DELIVER TO '` + c.poisoned.URL + `/poisoned' WITH (max_retry_attempts = 2, retry_delay_ms = 5, max_retry_delay_ms = 40)`,
		`filled ON static ` + to("filled") + ` WITH (batch_processing = true, ` + patient + `)`,
		`"schema" ON "tmp*" FOR DDL, INSERT ` + to("schema") + ` WITH (preserve_order = 'strict', ` + patient + `)`,
		`logged ON docs`, // beside which images are stored once
	} {
		c.must(`CREATE EVENT_SUBSCRIPTION ` + sql)
	}
	for _, b := range c.brokers {
		c.must(`CREATE CONNECTION ` + b.kind + ` TO ` + b.connect)
		c.must(`CREATE EVENT_SUBSCRIPTION ` + b.track.name + ` ` + changes + `DELIVER TO ` + fmt.Sprintf(b.deliver, b.kind) + patient + `)`)
	}
}

// pausable are the subscriptions that are there all the time and may be paused.
func (c *chaos) pausable() []string {
	out := slices.Clone(chaosSubscriptions)
	for _, b := range c.brokers {
		out = append(out, b.track.name)
	}
	return out
}

// rewindable is a subscription that may be rewound: of a webhook, a broker, a
// collection, or read by PULL.
func (c *chaos) rewindable() string {
	names := append(slices.Clone(chaosWebhooks), "copied", "pulled")
	for _, b := range c.brokers {
		names = append(names, b.track.name)
	}
	return names[c.rng.IntN(len(names))]
}

// change runs a statement; half of the time the gateway that runs it may be killed
// at any of its writes.
func (c *chaos) change() {
	name := c.rewindable()
	switch c.rng.IntN(8) {
	case 0:
		names := c.pausable()
		c.pauseFor(names[c.rng.IntN(len(names))])
	case 1:
		c.perhapsKilled(fmt.Sprintf(`ALTER EVENT_SUBSCRIPTION %s SET (max_retry_delay_ms = %d)`, name, 20+c.rng.IntN(60)))
	case 2:
		c.perhapsKilled(fmt.Sprintf(`ALTER EVENT_SUBSCRIPTION sharded SET (delivery_shards = %d)`, 1+c.rng.IntN(4)))
	case 3:
		c.rewind(name)
	case 4:
		c.perhapsKilled(`BACKFILL EVENT_SUBSCRIPTION filled COLLECTION static`)
	case 5:
		c.perhapsKilled(`REDRIVE DEAD LETTERS FOR poisoned LIMIT 3`)
	default:
		c.makeAndDrop()
	}
}

// perhapsKilled runs a statement on a gateway that may be killed at one of its
// next writes, whoever makes them.
func (c *chaos) perhapsKilled(sql string) bool {
	c.done[fmt.Sprintf("%.8s", sql)]++
	c.journal.add("%.80s", sql)
	i := c.rng.IntN(2)
	p := c.any(i)
	if c.rng.IntN(2) == 0 {
		return c.tryOn(p, sql)
	}
	p.armCommand(1+c.rng.IntN(12), c.rng.IntN(2) == 0)
	ok := c.tryOn(p, sql)
	p.armCommand(0, false)
	if p.byCommand() {
		c.killed(i, fmt.Sprintf("in %.8s", sql))
	}
	return ok
}

func (c *chaos) pauseFor(name string) {
	c.perhapsKilled(`PAUSE EVENT_SUBSCRIPTION ` + quoted(name))
	c.rest(100)
	c.perhapsKilled(`RESUME EVENT_SUBSCRIPTION ` + quoted(name))
	c.must(`RESUME EVENT_SUBSCRIPTION ` + quoted(name))
}

func quoted(name string) string { return `"` + name + `"` }

func (c *chaos) rewind(name string) {
	c.track(name).mayGoBack()
	at := time.Now().Add(-time.Duration(1+c.rng.IntN(3)) * time.Second).UTC().Format("2006-01-02T15:04:05.000Z")
	c.perhapsKilled(fmt.Sprintf(`REWIND EVENT_SUBSCRIPTION %s TO TIMESTAMP '%s'`, name, at))
}

// makeAndDrop makes a subscription, which gets every change from then on, or drops
// the one that is there, of which nothing is left.
func (c *chaos) makeAndDrop() {
	name := fmt.Sprintf("extra%d", c.extra)
	if t := c.track(name); t != nil {
		c.drop(name, t)
		return
	}
	t := c.in.track(name)
	sql := fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION IF NOT EXISTS %s ON docs FOR INSERT, UPDATE DELIVER TO '%s/%s' WITH (max_retry_attempts = -1, retry_delay_ms = 5, max_retry_delay_ms = 40, processing_timeout_ms = 2000)`, name, c.in.URL, name)
	if !c.perhapsKilled(sql) {
		c.must(sql)
	}
	t.since(c.writers.made())
}

func (c *chaos) drop(name string, t *chaosTrack) {
	made := c.writers.made()
	c.await("changes are missing", func() (int64, []string) { return t.arrived(), t.missing(made) })
	sql := `DROP EVENT_SUBSCRIPTION IF EXISTS ` + name + ` CASCADE`
	if !c.perhapsKilled(sql) {
		c.must(sql)
	}
	c.in.forget(name)
	c.extra++
	for _, coll := range []string{"event_log", "dead_letter_events", "event_attempts"} {
		n, err := c.client.Database("weir").Collection(coll).CountDocuments(context.Background(), bson.D{{Key: "subscription_id", Value: name}})
		require.NoError(c.t, err)
		require.Zero(c.t, n, "%s is dropped and has something in %s", name, coll)
	}
}

// refuse has the store refuse what gateways ask for, some times.
func (c *chaos) refuse() {
	commands := bson.A{"insert", "update", "delete", "findAndModify", "bulkWrite", "commitTransaction"}
	codes := []int32{14031, 91, 189, 11600, 262, 6, 112}
	data := bson.D{{Key: "errorCode", Value: codes[c.rng.IntN(len(codes))]}}
	switch c.rng.IntN(5) {
	case 0:
		commands = bson.A{"find", "aggregate", "getMore"}
		data = bson.D{{Key: "errorCode", Value: []int32{43, 91, 189, 6}[c.rng.IntN(4)]}}
	case 1:
		data = bson.D{{Key: "closeConnection", Value: true}}
	}
	data = append(data, bson.E{Key: "failCommands", Value: commands}, bson.E{Key: "appName", Value: "weir"})
	c.mayGoBack()
	c.failPoint(bson.D{{Key: "times", Value: 1 + c.rng.IntN(40)}}, data)
	c.rest(1000)
	c.failPoint("off", nil)
	c.mayGoBack()
	c.did("store refused")
}

func (c *chaos) failPoint(mode any, data bson.D) {
	cmd := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}}
	if data != nil {
		cmd = append(cmd, bson.E{Key: "data", Value: data})
	}
	require.NoError(c.t, c.client.Database("admin").RunCommand(context.Background(), cmd).Err())
}

// pull reads the subscription that is read by PULL, on whatever gateway there is, and
// acknowledges what it read.
func (c *chaos) pull() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t := c.track("pulled")
		for i := 0; ctx.Err() == nil; i++ {
			if n := c.pullOnce(c.any(i%2), t); n == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func (c *chaos) pullOnce(p *chaosProcess, t *chaosTrack) int {
	rows, err := c.query(p, `SELECT event_id, position, (document_key->>'_id')::bigint, coalesce(updated_fields->>'n', full_document->>'n')::bigint
		FROM CHANGE_STREAM_EVENTS('pulled') WHERE processing_status = 'queued' ORDER BY position LIMIT 500`)
	if err != nil || len(rows) == 0 {
		return 0
	}
	for _, r := range rows {
		t.take(int(r[2].(int64)), r[3].(int64), r[0].(string), false)
	}
	_, _ = c.query(p, fmt.Sprintf(`ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO '%s'`, rows[len(rows)-1][1]))
	return len(rows)
}
