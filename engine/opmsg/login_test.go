package opmsg_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/mongoerr"
)

// guarded starts a server that demands a login.
func guarded(t *testing.T) string {
	t.Helper()
	e, err := engine.Open("", engine.Options{TTLInterval: -1, Auth: true})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, e.Close())
	})
	return l.Addr().String()
}

func login(t *testing.T, addr, user, password, db, mechanism string) *mongo.Client {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr + "/?directConnection=true").
		SetAuth(options.Credential{Username: user, Password: password, AuthSource: db, AuthMechanism: mechanism}).
		SetServerSelectionTimeout(time.Second))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

func code(err error) int {
	var s mongo.ServerError
	if e, ok := err.(mongo.ServerError); ok {
		s = e
	} else {
		return -1
	}
	if codes := s.ErrorCodes(); len(codes) > 0 {
		return codes[0]
	}
	return 0
}

func TestLogin(t *testing.T) {
	addr := guarded(t)
	ctx := t.Context()
	nobody := connect(t, addr, "")
	_, err := nobody.Database("d").Collection("c").InsertOne(ctx, bson.D{})
	require.Equal(t, int(mongoerr.Unauthorized), code(err), "%v", err)
	// While there is no user, a client on the same machine may make the first.
	require.NoError(t, nobody.Database("admin").RunCommand(ctx, bson.D{{Key: "createUser", Value: "boss"}, {Key: "pwd", Value: "se=cr,et"}, {Key: "roles", Value: bson.A{"root"}}}).Err())
	err = nobody.Database("admin").RunCommand(ctx, bson.D{{Key: "createUser", Value: "x"}, {Key: "pwd", Value: "x"}, {Key: "roles", Value: bson.A{"root"}}}).Err()
	require.Equal(t, int(mongoerr.Unauthorized), code(err), "%v", err)

	boss := login(t, addr, "boss", "se=cr,et", "admin", "")
	_, err = boss.Database("d").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
	require.NoError(t, boss.Database("d").RunCommand(ctx, bson.D{{Key: "createUser", Value: "reader"}, {Key: "pwd", Value: "pässword"}, {Key: "roles", Value: bson.A{"read"}}}).Err())

	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
		reader := login(t, addr, "reader", "pässword", "d", mechanism)
		n, err := reader.Database("d").Collection("c").CountDocuments(ctx, bson.D{})
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		_, err = reader.Database("d").Collection("c").InsertOne(ctx, bson.D{})
		require.Equal(t, int(mongoerr.Unauthorized), code(err), "%v", err)
		_, err = reader.Database("other").Collection("c").CountDocuments(ctx, bson.D{})
		require.Equal(t, int(mongoerr.Unauthorized), code(err), "%v", err)
		_, err = reader.Database("d").Collection("c").Aggregate(ctx, mongo.Pipeline{{{Key: "$out", Value: "stolen"}}})
		require.Equal(t, int(mongoerr.Unauthorized), code(err), "%v", err)
	}
	reader := login(t, addr, "reader", "pässword", "d", "")
	_, err = boss.Database("hidden").Collection("c").InsertOne(ctx, bson.D{})
	require.NoError(t, err)
	names, err := reader.ListDatabaseNames(ctx, bson.D{})
	require.NoError(t, err)
	require.Equal(t, []string{"d"}, names, "only what the user may read is listed")
	// Who administers one database's users gives away no roles of others.
	require.NoError(t, boss.Database("d").RunCommand(ctx, bson.D{{Key: "createUser", Value: "clerk"}, {Key: "pwd", Value: "c"}, {Key: "roles", Value: bson.A{"userAdmin"}}}).Err())
	clerk := login(t, addr, "clerk", "c", "d", "")
	create := func(role any) error {
		return clerk.Database("d").RunCommand(ctx, bson.D{{Key: "createUser", Value: "mole"}, {Key: "pwd", Value: "m"}, {Key: "roles", Value: bson.A{role}}}).Err()
	}
	err = create(bson.D{{Key: "role", Value: "root"}, {Key: "db", Value: "admin"}})
	require.Equal(t, int(mongoerr.Unauthorized), code(err), "%v", err)
	require.NoError(t, create("read"))
	require.NoError(t, reader.Database("d").Collection("c").FindOne(ctx, bson.D{}).Err())
	require.NoError(t, boss.Database("d").RunCommand(ctx, bson.D{{Key: "grantRolesToUser", Value: "reader"}, {Key: "roles", Value: bson.A{"readWrite"}}}).Err())
	_, err = reader.Database("d").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 2}})
	require.NoError(t, err, "a new role holds at once")

	for _, wrong := range []string{"wrong", ""} {
		c := login(t, addr, "reader", wrong+"!", "d", "")
		require.Error(t, c.Ping(ctx, nil))
		require.Error(t, c.Database("d").Collection("c").FindOne(ctx, bson.D{}).Err())
	}
}

// The log of changes holds what is in all databases, the users too: reading
// all databases is not enough for it.
func TestLogNeedsMoreThanReading(t *testing.T) {
	addr := guarded(t)
	ctx := t.Context()
	user := func(name string, role any) bson.D {
		return bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: "p"}, {Key: "roles", Value: bson.A{role}}}
	}
	require.NoError(t, connect(t, addr, "").Database("admin").RunCommand(ctx, user("boss", "root")).Err())
	boss := login(t, addr, "boss", "p", "admin", "")
	require.NoError(t, boss.Database("admin").RunCommand(ctx, user("reader", "readAnyDatabase")).Err())
	require.NoError(t, boss.Database("admin").RunCommand(ctx, user("saver", "backup")).Err())
	require.NoError(t, boss.Database("local").RunCommand(ctx, user("near", "readWrite")).Err())
	for _, c := range []struct {
		user, db string
		code     int
	}{{"reader", "admin", int(mongoerr.Unauthorized)}, {"near", "local", int(mongoerr.Unauthorized)}, {"saver", "admin", 0}, {"boss", "admin", 0}} {
		log := login(t, addr, c.user, "p", c.db, "").Database("local").Collection("oplog.rs")
		err := log.FindOne(ctx, bson.D{}).Err()
		if c.code == 0 {
			require.NoError(t, err, c.user)
			continue
		}
		require.Equal(t, c.code, code(err), "%s: %v", c.user, err)
	}
}
