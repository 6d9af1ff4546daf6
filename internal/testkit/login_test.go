package testkit_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/gateway"
	"weir/internal/testkit"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{key: key, cert: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

func (a *authority) sign(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "weir"}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// users makes users as root, over the MongoDB port.
func users(t *testing.T, g *testkit.Gateway, config *tls.Config, db string) {
	t.Helper()
	open := func(auth *options.Credential) *mongo.Client {
		o := options.Client().ApplyURI("mongodb://" + g.MongoAddr().String() + "/?directConnection=true").SetTLSConfig(config)
		if auth != nil {
			o.SetAuth(*auth)
		}
		c, err := mongo.Connect(o)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
		return c
	}
	ctx := t.Context()
	create := func(c *mongo.Client, db, name string, roles ...any) {
		t.Helper()
		require.NoError(t, c.Database(db).RunCommand(ctx, bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: "pw-" + name}, {Key: "roles", Value: append(bson.A{}, roles...)}}).Err())
	}
	create(open(nil), "admin", "root", "root")
	boss := open(&options.Credential{Username: "root", Password: "pw-root", AuthSource: "admin"})
	create(boss, db, "reader", "read")
	create(boss, db, "writer", "readWrite")
	create(boss, db, "nobody")
	_, err := boss.Database("other").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: 1}})
	require.NoError(t, err)
}

func state(err error) string {
	var p *pgconn.PgError
	if err == nil {
		return ""
	}
	if !errors.As(err, &p) {
		return err.Error()
	}
	return p.Code
}

func TestLogin(t *testing.T) {
	ca := newAuthority(t)
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{Auth: true, TLS: &tls.Config{Certificates: []tls.Certificate{ca.sign(t)}}})
	users(t, g, &tls.Config{RootCAs: ca.pool()}, g.Database)
	ctx := t.Context()
	open := func(user, password, mode string) (*pgx.Conn, error) {
		c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=%s&sslrootcert=%s", user, password, g.SQLAddr(), g.Database, mode, url.QueryEscape(ca.file)))
		if err == nil {
			t.Cleanup(func() { _ = c.Close(context.Background()) })
		}
		return c, err
	}
	for _, c := range []struct{ user, password, mode, state string }{
		{"writer", "pw-writer", "disable", "28000"},
		{"writer", "wrong", "verify-full", "28P01"},
		{"stranger", "pw", "verify-full", "28P01"},
		{"nobody", "pw-nobody", "verify-full", "42501"},
	} {
		_, err := open(c.user, c.password, c.mode)
		require.Equal(t, c.state, state(err), "%+v: %v", c, err)
	}
	writer, err := open("writer", "pw-writer", "verify-full")
	require.NoError(t, err)
	exec := func(c *pgx.Conn, sql, want string) {
		t.Helper()
		_, err := c.Exec(ctx, sql)
		require.Equal(t, want, state(err), "%s: %v", sql, err)
	}
	exec(writer, `CREATE TABLE t (a int)`, "")
	exec(writer, `INSERT INTO t VALUES (1), (2)`, "")
	exec(writer, `SELECT * FROM other.c`, "42501")
	exec(writer, `INSERT INTO other.c (a) VALUES (1)`, "42501")
	exec(writer, `CREATE TABLE other.d (a int)`, "42501")
	exec(writer, `DROP TABLE other.c`, "42501")

	reader, err := open("reader", "pw-reader", "verify-full")
	require.NoError(t, err)
	var n int
	require.NoError(t, reader.QueryRow(ctx, `SELECT count(*) FROM t`).Scan(&n))
	require.Equal(t, 2, n)
	for _, sql := range []string{`INSERT INTO t VALUES (3)`, `DELETE FROM t`, `TRUNCATE t`, `CREATE TABLE u (a int)`, `DROP TABLE t`,
		`CREATE INDEX ON t (a)`, `CREATE VIEW v AS SELECT 1`, `CREATE EVENT_SUBSCRIPTION s ON t FOR INSERT`, `CREATE SEQUENCE q`} {
		exec(reader, sql, "42501")
	}
	exec(reader, `BEGIN`, "")
	exec(reader, `UPDATE t SET a = 5`, "42501")
	exec(reader, `ROLLBACK`, "")

	root, err := open("root", "pw-root", "verify-full")
	require.NoError(t, err)
	exec(root, `INSERT INTO other.c (a) VALUES (2)`, "")
	elsewhere, err := pgx.Connect(ctx, fmt.Sprintf("postgres://root:pw-root@%s/other?sslmode=verify-full&sslrootcert=%s", g.SQLAddr(), url.QueryEscape(ca.file)))
	require.NoError(t, err)
	defer func() { _ = elsewhere.Close(ctx) }()
	exec(elsewhere, `CREATE EVENT_SUBSCRIPTION o ON c`, "")
	for _, sql := range []string{ // which go by the event runtime
		`SELECT * FROM CHANGE_STREAM_EVENTS('other')`, `SUBSCRIBE TO (SELECT * FROM CHANGE_STREAM_EVENTS('other'))`, `SUBSCRIBE TO other.c`,
		`CREATE EVENT_SUBSCRIPTION w ON t DELIVER TO COLLECTION other.d`, `CREATE EVENT_SUBSCRIPTION w AS (watch_collections = 't', target = 'collection:other.d')`,
	} {
		exec(writer, sql, "42501")
	}
	exec(writer, `CREATE EVENT_SUBSCRIPTION w ON t DELIVER TO COLLECTION copies`, "")
	exec(writer, `ALTER EVENT_SUBSCRIPTION w SET (target = 'collection:other.d')`, "42501")
	exec(writer, `DROP EVENT_SUBSCRIPTION w`, "")
	exec(elsewhere, `DROP EVENT_SUBSCRIPTION o`, "")
	exec(root, `DROP TABLE other.c`, "")

	exec(writer, `CREATE USER dora PASSWORD 'pw-dora'`, "42501")
	exec(writer, `GRANT "root" TO writer`, "42501")
	exec(root, `CREATE USER dora PASSWORD 'pw-dora'`, "")
	exec(root, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO dora`, "")
	dora, err := open("dora", "pw-dora", "verify-full")
	require.NoError(t, err)
	exec(dora, `SELECT * FROM t`, "")
	exec(dora, `DELETE FROM t`, "42501")
	exec(root, `ALTER USER dora PASSWORD 'another'`, "")
	_, err = open("dora", "pw-dora", "verify-full")
	require.Equal(t, "28P01", state(err))
	exec(root, `DROP USER dora`, "")
}

// TestRolesOfSubscriptions grants use to users: of admin, of the connected database and
// of others, and to a predefined role, but not to names that nobody has. From a user who
// is gone it can be revoked.
func TestRolesOfSubscriptions(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) { rolesOfSubscriptions(t, mode) })
	}
}

func rolesOfSubscriptions(t *testing.T, mode testkit.Mode) {
	g := testkit.Start(t, mode, &gateway.Options{Auth: true})
	ctx, client := t.Context(), g.Mongo(t).Client()
	for _, u := range []struct{ db, name, role string }{{"admin", "boss", "root"}, {g.Database, "own", "read"}, {g.Database + "_far", "far", "readWrite"}} {
		in := client.Database(u.db)
		require.NoError(t, in.RunCommand(ctx, bson.D{{Key: "createUser", Value: u.name}, {Key: "pwd", Value: "pw"}, {Key: "roles", Value: bson.A{u.role}}}).Err())
		t.Cleanup(func() { _ = in.RunCommand(context.Background(), bson.D{{Key: "dropUser", Value: u.name}}).Err() })
		if u.name == "boss" && mode == testkit.Embedded { // the first user
			var err error
			client, err = mongo.Connect(options.Client().ApplyURI("mongodb://boss:pw@" + g.MongoAddr().String() + "/?directConnection=true&authSource=admin"))
			require.NoError(t, err)
			t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
		}
	}
	c, err := pgx.Connect(ctx, "postgres://boss:pw@"+g.SQLAddr().String()+"/"+g.Database+"?sslmode=disable")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	exec := func(sql, want string, at int32) {
		t.Helper()
		_, err := c.Exec(ctx, sql)
		require.Equal(t, want, state(err), "%s: %v", sql, err)
		var p *pgconn.PgError
		if errors.As(err, &p) {
			require.Equal(t, at, p.Position, sql)
			require.Contains(t, p.Message, "does not exist")
		}
	}
	exec(`CREATE TABLE docs (_id int PRIMARY KEY)`, "", 0)
	exec(`CREATE EVENT_SUBSCRIPTION s ON docs`, "", 0)
	exec(`CREATE USER going PASSWORD 'pw'`, "", 0)
	exec(`GRANT USAGE ON EVENT_SUBSCRIPTION s TO boss, own, far, going, CURRENT_USER, pg_read_all_data, PUBLIC`, "", 0)
	exec(`GRANT USAGE ON EVENT_SUBSCRIPTION s TO own, nobody`, "42704", 45)
	exec(`GRANT USAGE ON EVENT_SUBSCRIPTION s TO "current_user"`, "42704", 40)
	exec(`GRANT USAGE ON EVENT_SUBSCRIPTION t TO nobody`, "42704", 35)
	exec(`REVOKE USAGE ON EVENT_SUBSCRIPTION s FROM nobody`, "42704", 43)
	exec(`ALTER EVENT_SUBSCRIPTION s OWNER TO nobody`, "42704", 37)
	exec(`DROP USER going`, "", 0)
	exec(`REVOKE USAGE ON EVENT_SUBSCRIPTION s FROM going`, "", 0)
	exec(`REVOKE USAGE ON EVENT_SUBSCRIPTION s FROM going`, "42704", 43)
	exec(`REVOKE USAGE ON EVENT_SUBSCRIPTION s FROM own, boss, PUBLIC`, "", 0)
	exec(`ALTER EVENT_SUBSCRIPTION s OWNER TO far`, "", 0)
	exec(`ALTER EVENT_SUBSCRIPTION s OWNER TO CURRENT_USER`, "", 0)
	exec(`DROP EVENT_SUBSCRIPTION s`, "", 0)
}

// A gateway in front of a MongoDB takes that server's users.
func TestLoginRemote(t *testing.T) {
	g := testkit.Start(t, testkit.Remote, &gateway.Options{Auth: true})
	require.NoError(t, g.Mongo(t).RunCommand(t.Context(), bson.D{{Key: "createUser", Value: "ann"}, {Key: "pwd", Value: "secret"}, {Key: "roles", Value: bson.A{"readWrite"}}}).Err())
	t.Cleanup(func() {
		_ = g.Mongo(t).RunCommand(context.Background(), bson.D{{Key: "dropUser", Value: "ann"}}).Err()
	})
	dsn := "postgres://ann:%s@" + g.SQLAddr().String() + "/" + g.Database + "?sslmode=disable"
	_, err := pgx.Connect(t.Context(), fmt.Sprintf(dsn, "wrong"))
	require.Equal(t, "28P01", state(err))
	c, err := pgx.Connect(t.Context(), fmt.Sprintf(dsn, "secret"))
	require.NoError(t, err)
	defer func() { _ = c.Close(context.Background()) }()
	_, err = c.Exec(t.Context(), `CREATE TABLE t (a int)`)
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), `INSERT INTO t VALUES (1)`)
	require.NoError(t, err)
	for _, sql := range []string{`CREATE TABLE up (id int PRIMARY KEY)`, `CREATE TABLE down (id int REFERENCES up ON DELETE CASCADE)`,
		`INSERT INTO up VALUES (1)`, `INSERT INTO down VALUES (1)`, `DELETE FROM up`} {
		_, err = c.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
}

// Clients must show a certificate where authorities are named.
func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{TLS: &tls.Config{
		Certificates: []tls.Certificate{ca.sign(t)}, ClientCAs: ca.pool(), ClientAuth: tls.RequireAndVerifyClientCert}})
	ping := func(config *tls.Config) error {
		c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + g.MongoAddr().String() + "/?directConnection=true").
			SetTLSConfig(config).SetServerSelectionTimeout(2 * time.Second))
		require.NoError(t, err)
		defer func() { _ = c.Disconnect(context.Background()) }()
		return c.Ping(t.Context(), nil)
	}
	require.NoError(t, ping(&tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.sign(t)}}))
	require.Error(t, ping(&tls.Config{RootCAs: ca.pool()}))
	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://u@%s/%s?sslmode=require", g.SQLAddr(), g.Database))
	require.NoError(t, err)
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.Error(t, err)
	config.TLSConfig.Certificates = []tls.Certificate{ca.sign(t)}
	c, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
}
