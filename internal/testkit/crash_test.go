package testkit_test

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// process is a running weir serve.
type process struct {
	cmd          *exec.Cmd
	sql, mongodb string
}

var listening = regexp.MustCompile(`PostgreSQL clients: (\S+) · MongoDB drivers: (\S+)/ `)

func startServe(t *testing.T, binary, dir string) *process {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--dir", dir, "--listen", "127.0.0.1:0", "--mongo-listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "weir serve printed nothing")
	m := listening.FindStringSubmatch(lines.Text())
	require.NotNil(t, m, lines.Text())
	return &process{cmd: cmd, sql: m[1], mongodb: m[2]}
}

func (p *process) collection(t *testing.T) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(p.mongodb + "/?directConnection=true"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("crash").Collection("docs")
}

func (p *process) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), fmt.Sprintf("postgres://t@%s/crash?sslmode=disable", p.sql))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestKill kills weir serve under traffic, several times, and expects every
// acknowledged write and its event afterwards.
func TestKill(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "weir")
	out, err := exec.Command("go", "build", "-o", binary, "weir/cmd/weir").CombinedOutput()
	require.NoError(t, err, string(out))
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 3 {
		p := startServe(t, binary, dir)
		if round == 0 {
			_, err := p.connect(t).Exec(context.Background(), `CREATE EVENT_SUBSCRIPTION all_docs ON docs FOR INSERT`)
			require.NoError(t, err)
		}
		writeUntilKilled(t, p, round, acknowledged)
	}
	require.NotEmpty(t, acknowledged)
	t.Logf("%d acknowledged writes", len(acknowledged))
	p := startServe(t, binary, dir)
	require.Subset(t, idsOf(t, p), keys(acknowledged))
	conn := p.connect(t)
	require.Eventually(t, func() bool { return len(missing(t, conn, acknowledged)) == 0 }, patience, 50*time.Millisecond, "events are missing")
	var repeated int
	require.NoError(t, conn.QueryRow(context.Background(),
		`SELECT count(*) FROM (SELECT document_key->>'_id' FROM CHANGE_STREAM_EVENTS() GROUP BY 1 HAVING count(*) > 1) r`).Scan(&repeated))
	require.Zero(t, repeated, "an event is in the log under two ids")
}

// writeUntilKilled writes from several clients and kills the process under them.
func writeUntilKilled(t *testing.T, p *process, round int, acknowledged map[string]bool) {
	t.Helper()
	coll := p.collection(t)
	var mu sync.Mutex
	var writers sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d-%d", round, w, i)
				if _, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: id}}); err != nil {
					return
				}
				mu.Lock()
				acknowledged[id] = true
				mu.Unlock()
			}
		})
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) > (round+1)*200
	}, patience, time.Millisecond)
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	cancel()
	writers.Wait()
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func idsOf(t *testing.T, p *process) []string {
	t.Helper()
	cur, err := p.collection(t).Find(context.Background(), bson.D{})
	require.NoError(t, err)
	var docs []struct {
		ID string `bson:"_id"`
	}
	require.NoError(t, cur.All(context.Background(), &docs))
	var out []string
	for _, d := range docs {
		out = append(out, d.ID)
	}
	return out
}

func missing(t *testing.T, conn *pgx.Conn, acknowledged map[string]bool) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), `SELECT document_key->>'_id' FROM CHANGE_STREAM_EVENTS('all_docs')`)
	require.NoError(t, err)
	seen := map[string]bool{}
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		seen[id] = true
	}
	require.NoError(t, rows.Err())
	var out []string
	for id := range acknowledged {
		if !seen[id] {
			out = append(out, id)
		}
	}
	return out
}
