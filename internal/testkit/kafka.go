package testkit

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// behindProxy is a listener that tells the address of the proxy in front of it.
type behindProxy struct {
	net.Listener
	proxy *Proxy
}

func (l behindProxy) Addr() net.Addr { return l.proxy.Addr() }

// StartKafka runs a broker of Kafka with a topic behind a proxy, until the test ends.
// The client reads the topic from its start, past the proxy.
func StartKafka(t testing.TB, topic string, partitions int32) (*Proxy, *kgo.Client) {
	t.Helper()
	var p *Proxy
	var behind string
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic), kfake.ListenFn(func(network, _ string) (net.Listener, error) {
		ln, err := net.Listen(network, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		behind = ln.Addr().String()
		p = StartProxy(t, behind)
		return behindProxy{ln, p}, nil
	}))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	direct := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, behind)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(behind), kgo.Dialer(direct), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return p, client
}
