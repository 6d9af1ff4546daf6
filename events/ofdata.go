package events

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// The gateways that share a log share the data, too: they would read each other's
// databases, which are others of the same names.

// ofSameData refuses to begin beside gateways whose data are in another cluster.
func (m *Manager) ofSameData(ctx context.Context) error {
	m.cluster = clusterID(ctx, m.data)
	if m.cluster == "" {
		return nil
	}
	other := ""
	filter := append(slices.Clone(gatewayAlive), bson.E{Key: "data_cluster", Value: bson.D{{Key: "$nin", Value: bson.A{nil, "", m.cluster}}}})
	err := query(ctx, m.st, collGateways, []bson.D{{{Key: "$match", Value: filter}}}, func(doc bson.Raw) error {
		other = string([]byte(text(value.Lookup(doc, "_id"))))
		return nil
	})
	if err == nil && other != "" {
		err = fmt.Errorf("the database %s of this MongoDB is used by the gateway %s, whose data are in another cluster; give the event runtime another MongoDB (--events-uri)", Database, other)
	}
	return err
}
