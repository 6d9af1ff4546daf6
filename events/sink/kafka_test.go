package sink_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/events/sink"
)

// TestKafkaSendThatFailsInPart has one of two brokers not answer for a while: the send
// fails as a whole and is made again, but what the other broker stored is not sent twice.
func TestKafkaSendThatFailsInPart(t *testing.T) {
	t.Parallel()
	const n = 16
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(2, "docs"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	for i := range int32(2) {
		require.NoError(t, cluster.MoveTopicPartition("docs", i, i))
	}
	answers := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if cluster.CurrentNode() == 1 {
			cluster.SleepControl(func() { <-answers })
		}
		return nil, nil, false
	})
	k, err := sink.NewKafka(&events.Spec{Target: events.Target{Kind: events.TargetKafka, Name: "docs"}, PayloadFormat: "raw", TimeoutMS: 5000},
		&events.Connection{Name: "bus", Settings: events.Settings{Brokers: cluster.ListenAddrs()}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	var ds []events.Delivery
	for i := range n {
		row, err := bson.Marshal(bson.D{{Key: "document_key", Value: bson.D{{Key: "_id", Value: i}}}})
		require.NoError(t, err)
		ds = append(ds, events.Delivery{ID: fmt.Sprintf("s:%d", i), Row: row})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.Error(t, k.Deliver(ctx, ds))
	close(answers)
	require.NoError(t, k.Deliver(t.Context(), ds))
	reader, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("docs"))
	require.NoError(t, err)
	t.Cleanup(reader.Close)
	came, partitions := map[string]int{}, map[int32]bool{}
	for len(came) < n {
		reader.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			came[string(r.Headers[0].Value)]++
			partitions[r.Partition] = true
		})
	}
	require.Len(t, partitions, 2)
	for id, times := range came {
		require.Equal(t, 1, times, id)
	}
}
