package remote

import (
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// clusterClock is the latest $clusterTime that change streams have brought. They have
// a client of their own, and a read that is to be no older than an event may go to a
// server that has not heard of the event's time yet: it refuses such a time unless the
// cluster's word for it comes along.
type clusterClock struct {
	mu     sync.Mutex
	latest bson.Raw
	at     bson.Timestamp
}

// observe takes what a session has heard.
func (c *clusterClock) observe(heard bson.Raw) {
	t, i, ok := heard.Lookup("$clusterTime", "clusterTime").TimestampOK()
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := (bson.Timestamp{T: t, I: i}); at.After(c.at) {
		c.latest, c.at = heard, at
	}
}

// sessionAt starts a session that reads no earlier state than that of a time.
func sessionAt(client *mongo.Client, clock *clusterClock, at bson.Timestamp) (*mongo.Session, error) {
	sess, err := client.StartSession(options.Session().SetCausalConsistency(true))
	if err != nil {
		return nil, err
	}
	clock.mu.Lock()
	latest := clock.latest
	clock.mu.Unlock()
	if latest != nil {
		err = sess.AdvanceClusterTime(latest)
	}
	if err == nil {
		err = sess.AdvanceOperationTime(&at)
	}
	return sess, err
}
