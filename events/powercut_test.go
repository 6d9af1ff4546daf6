package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"weir/engine"
	"weir/gateway"
	"weir/store"
)

// slowLogs is a file system on which logs take a while to reach the disk.
type slowLogs struct{ vfs.FS }

type slowLog struct{ vfs.File }

func (f slowLogs) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return file, err
	}
	return slowLog{file}, nil
}

func (f slowLogs) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return slowLog{file}, err
}

func (f slowLogs) Unwrap() vfs.FS { return f.FS }

func (f slowLog) Sync() error {
	time.Sleep(diskTime)
	return f.File.Sync()
}

func (f slowLog) SyncData() error {
	time.Sleep(diskTime)
	return f.File.SyncData()
}

const diskTime = 5 * time.Millisecond

// powerCut is a webhook endpoint. When it has got so many events, the power goes
// while the last one is on its way: what comes then never came.
type powerCut struct {
	mu    sync.Mutex
	ids   map[string]map[string]int // how often an event came, by id, by key
	after int
	rng   *rand.Rand
	mem   *vfs.MemFS
	image *vfs.MemFS    // nil: there is power
	gone  chan struct{} // closed when there is none any more
}

func (p *powerCut) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var event struct{ ID, Subject string }
	_ = json.Unmarshal(body, &event)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.image != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if p.ids[event.Subject] == nil {
		p.ids[event.Subject] = map[string]int{}
	}
	p.ids[event.Subject][event.ID]++
	if p.after--; p.after == 0 {
		p.image = p.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30 * p.rng.IntN(3), RNG: p.rng})
		close(p.gone)
	}
	w.WriteHeader(http.StatusNoContent)
}

// on has the power be there again, for so many events.
func (p *powerCut) on(mem *vfs.MemFS, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mem, p.image, p.after, p.gone = mem, nil, after, make(chan struct{})
}

// TestPowerCutRepeats has the power go when an event has arrived, and so before its
// row is on the disk: it comes again, with the same id, and nothing is lost.
func TestPowerCutRepeats(t *testing.T) {
	t.Parallel()
	p := &powerCut{ids: map[string]map[string]int{}, rng: rand.New(rand.NewPCG(7, 1))}
	hook := httptest.NewServer(p)
	t.Cleanup(hook.Close)
	const rounds = 3
	mem := vfs.NewCrashableMem()
	written := map[string]bool{}
	for round := range rounds + 1 {
		last := round == rounds
		p.on(mem, 10+p.rng.IntN(20))
		if last {
			p.on(mem, -1)
		}
		e, err := engine.Open("data", engine.Options{FS: slowLogs{mem}, InternalDatabases: []string{"weir"}})
		require.NoError(t, err)
		n := startNodeBy(t, gateway.Options{Store: e, EventLease: steady})
		conn := connect(t, n.Gateway, "cuts")
		if round == 0 {
			exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY)`)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (max_retry_attempts = 1000, retry_delay_ms = 1, max_retry_delay_ms = 5)`, hook.URL)
		}
		for i := 0; !last; i++ {
			p.mu.Lock()
			gone := p.image != nil
			p.mu.Unlock()
			if gone {
				break
			}
			key := fmt.Sprintf("r%d-%d", round, i)
			exec(t, conn, `INSERT INTO docs (_id) VALUES ('%s')`, key)
			p.mu.Lock()
			written[key] = written[key] || p.image == nil // else it was not written any more
			p.mu.Unlock()
		}
		if last {
			require.Eventually(t, func() bool { return len(p.missing(written)) == 0 }, patience, 10*time.Millisecond, "lost: %v", p.missing(written))
		}
		_ = conn.Close(context.Background())
		n.stop()
		<-n.ended
		require.NoError(t, n.Close())
		require.NoError(t, e.Close())
		mem = p.image
	}
	repeats := 0
	for key, ids := range p.ids {
		require.Len(t, ids, 1, "%s came with several ids: %v", key, ids)
		for _, n := range ids {
			repeats += n - 1
		}
	}
	t.Logf("%d events, %d repeats", len(p.ids), repeats)
}

// missing are the keys that never came.
func (p *powerCut) missing(written map[string]bool) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, was := range written {
		if was && len(p.ids[key]) == 0 {
			out = append(out, key)
		}
	}
	return out
}

// heldSaves has what a reader saves reach the disk when it is released.
type heldSaves struct {
	store.Store
	release chan struct{}
	held    atomic.Bool
}

func (h *heldSaves) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	res, err := h.Store.Write(ctx, ns, ops, o)
	if wait := res.Wait; wait != nil && ns.Coll == "event_readers" {
		res.Wait = func() error {
			h.held.Store(true)
			<-h.release
			return wait()
		}
	}
	return res, err
}

// TestDeliveryDoesNotWaitForTheDisk has an event arrive while its row is on the way to
// the disk.
func TestDeliveryDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	st := &heldSaves{Store: openEngine(t), release: make(chan struct{})}
	n := startNode(t, st, 0)
	defer n.end(t)
	released := sync.OnceFunc(func() { close(st.release) })
	defer released()
	r := newReceiver(t, 0)
	conn := connect(t, n.Gateway, "early")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	insertDocs(t, st, "early", 0, 1)
	require.Eventually(t, func() bool { return len(r.all()) == 1 && st.held.Load() }, patience, time.Millisecond)
	released()
}
