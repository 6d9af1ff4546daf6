package testkit

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// PostgresVariable names a PostgreSQL server to compare with, as a URI of a
// database whose user may create databases.
const PostgresVariable = "WEIR_TEST_POSTGRES_URI"

// Postgres gives a PostgreSQL server: that of WEIR_TEST_POSTGRES_URI, else one
// of Debian's package postgresql, started on a loopback port until the test
// ends. Without either the test is skipped.
func Postgres(t testing.TB) *pgx.ConnConfig {
	t.Helper()
	uri := os.Getenv(PostgresVariable)
	if uri == "" {
		uri = startPostgres(t)
	}
	config, err := pgx.ParseConfig(uri)
	require.NoError(t, err)
	return config
}

// PostgresDatabase makes an empty database that sorts by code point.
func PostgresDatabase(t testing.TB, server *pgx.ConnConfig, name string) *pgx.ConnConfig {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.ConnectConfig(ctx, server)
	require.NoError(t, err)
	defer conn.Close(ctx)
	id := pgx.Identifier{name}.Sanitize()
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + id, "CREATE DATABASE " + id + " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"} {
		_, err := conn.Exec(ctx, sql)
		require.NoError(t, err)
	}
	own := server.Copy()
	own.Database = name
	return own
}

func startPostgres(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Skip("SKIP: no PostgreSQL (Debian: postgresql), and no " + PostgresVariable)
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, attr := postgresHome(t)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--lc-collate=C", "--lc-ctype=C.UTF-8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	out, err := initdb.CombinedOutput()
	require.NoError(t, err, string(out))

	port := freePort(t)
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "port="+strconv.Itoa(port),
		"-c", "unix_socket_directories="+dir, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "timezone=UTC", "-c", "logging_collector=off")
	server.Dir, server.SysProcAttr = dir, attr
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
	})
	uri := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(context.Background(), uri)
		if err != nil {
			return false
		}
		return conn.Close(context.Background()) == nil
	}, time.Minute, 20*time.Millisecond, "PostgreSQL does not start")
	return uri
}

// postgresHome makes a folder for a server. PostgreSQL refuses to run as root,
// so root runs it as the package's own user.
func postgresHome(t testing.TB) (string, *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-postgres")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() != 0 {
		return dir, nil
	}
	u, err := user.Lookup("postgres")
	require.NoError(t, err)
	uid, err := strconv.Atoi(u.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(u.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, uid, gid))
	return dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
