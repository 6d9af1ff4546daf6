package remote

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"weir/mongoerr"
	"weir/store"
)

// probe asks buildInfo and hello, then tries each stage and operator that not
// every server has on an aggregate over no documents, where the user may read: in
// admin, or in the database of the URI.
func probe(ctx context.Context, client *mongo.Client, uri string) (store.Capabilities, error) {
	var c store.Capabilities
	admin := client.Database("admin")
	var info struct {
		VersionArray []int32 `bson:"versionArray"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil {
		return c, convert(err)
	}
	for i := range min(len(info.VersionArray), 3) {
		c.Version[i] = int(info.VersionArray[i])
	}
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return c, convert(err)
	}
	c.Sharded = hello.Msg == "isdbgrid"
	c.Transactions = hello.SetName != "" || c.Sharded
	c.ChangeStreams = c.Transactions
	c.ExpandedEvents = c.AtLeast(6, 0)
	c.PreAndPostImages = c.AtLeast(6, 0)
	c.SplitLargeEvents = c.AtLeast(7, 0) || c.AtLeast(6, 0) && c.Version[2] >= 9
	c.BulkWriteCommand = c.AtLeast(8, 0)
	err := probeStages(ctx, admin, &c)
	if mongoerr.CodeOf(err) == mongoerr.Unauthorized {
		at, parseErr := connstring.Parse(uri)
		if parseErr == nil && at.Database != "" {
			err = probeStages(ctx, client.Database(at.Database), &c)
		}
	}
	if mongoerr.CodeOf(err) == mongoerr.Unauthorized {
		goByVersion(&c)
		err = nil
	}
	return c, err
}

// goByVersion says of the stages what released versions have.
func goByVersion(c *store.Capabilities) {
	c.DateTrunc, c.SetWindowFields, c.LookupWithPipeline = c.AtLeast(5, 0), c.AtLeast(5, 0), c.AtLeast(5, 0)
	c.TopN, c.DensifyFill, c.Percentile = c.AtLeast(6, 0), c.AtLeast(6, 0), c.AtLeast(7, 0)
}

func probeStages(ctx context.Context, db *mongo.Database, c *store.Capabilities) error {
	expr := func(op string, arg any) bson.D {
		return bson.D{{Key: "$project", Value: bson.D{{Key: "r", Value: bson.D{{Key: op, Value: arg}}}}}}
	}
	now := bson.D{{Key: "date", Value: "$$NOW"}, {Key: "unit", Value: "day"}}
	first := bson.D{{Key: "input", Value: bson.A{1}}, {Key: "n", Value: 1}}
	median := bson.D{{Key: "input", Value: bson.A{1}}, {Key: "p", Value: bson.A{0.5}}, {Key: "method", Value: "approximate"}}
	window := bson.D{{Key: "$setWindowFields", Value: bson.D{{Key: "output", Value: bson.D{}}}}}
	fill := bson.D{{Key: "$fill", Value: bson.D{{Key: "output", Value: bson.D{{Key: "r", Value: bson.D{{Key: "value", Value: 1}}}}}}}}
	lookup := bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "weir_probe"}, {Key: "localField", Value: "a"},
		{Key: "foreignField", Value: "a"}, {Key: "pipeline", Value: bson.A{}}, {Key: "as", Value: "r"}}}}
	for _, p := range []struct {
		stage bson.D
		has   *bool
	}{
		{expr("$dateTrunc", now), &c.DateTrunc}, {expr("$firstN", first), &c.TopN}, {expr("$percentile", median), &c.Percentile},
		{window, &c.SetWindowFields}, {fill, &c.DensifyFill}, {lookup, &c.LookupWithPipeline},
	} {
		ok, err := accepts(ctx, db, p.stage)
		if err != nil {
			return err
		}
		*p.has = ok
	}
	return nil
}

// accepts tells whether the server takes a stage; other failures than a refusal are errors.
func accepts(ctx context.Context, db *mongo.Database, stage bson.D) (bool, error) {
	cur, err := db.Collection("weir_probe").Aggregate(ctx, bson.A{stage})
	if err == nil {
		return true, cur.Close(ctx)
	}
	err = convert(err)
	if code := mongoerr.CodeOf(err); code == 0 || code == mongoerr.Unauthorized || mongoerr.Passing(err) {
		return false, err
	}
	return false, nil
}
