package testkit_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/events"
	"weir/gateway"
)

// chaosVariable makes the test binary a gateway on the MongoDB that it names.
const chaosVariable = "WEIR_TEST_CHAOS_URI"

const chaosDatabase = "chaos"

// chaosGateway is the program of a gateway process. It prints where it listens
// and reads lines "STEP N" from its input: it ends when STEP is done for the
// Nth time from then on. It ends with its input, too.
func chaosGateway(uri string) int {
	var mu sync.Mutex
	var armed events.Step
	var left int
	step := func(s events.Step) {
		mu.Lock()
		defer mu.Unlock()
		if s == armed {
			if left--; left == 0 {
				os.Exit(3)
			}
		}
	}
	g, err := gateway.Open(context.Background(), gateway.Options{MongoURI: uri, AllowPrivateTargets: true, EventLease: time.Second, EventStep: step})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = g.Run(context.Background()) }()
	fmt.Println(g.SQLAddr()) //nolint:forbidigo // what the test waits for
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		mu.Lock()
		_, _ = fmt.Sscan(in.Text(), &armed, &left)
		mu.Unlock()
	}
	return 0
}

// chaosProcess is a gateway in a process of its own.
type chaosProcess struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	addr  string
	ended chan struct{}
}

func startChaosGateway(t *testing.T, uri string) *chaosProcess {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), chaosVariable+"="+uri)
	cmd.Stderr = os.Stderr
	p := &chaosProcess{cmd: cmd, ended: make(chan struct{})}
	p.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	p.addr = strings.TrimSpace(line)
	go func() { _ = cmd.Wait(); close(p.ended) }()
	t.Cleanup(p.kill)
	return p
}

func (p *chaosProcess) arm(s events.Step, nth int) { _, _ = fmt.Fprintf(p.in, "%s %d\n", s, nth) }

func (p *chaosProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *chaosProcess) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://chaos@%s/%s?sslmode=disable", p.addr, chaosDatabase))
}

// chain continues a CRC by a change.
func chain(crc uint32, n int64) uint32 {
	return crc32.Update(crc, crc32.IEEETable, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// chaosReceiver takes changes, refuses one in ten, and keeps account per key.
type chaosReceiver struct {
	*httptest.Server
	taken, refused atomic.Int64

	mu    sync.Mutex
	rng   *rand.Rand
	keys  [chaosKeys]chaosKey
	ids   map[string][2]int64 // what an event id was seen with: key, change
	wrong []string
	again int
	era   int // of rewinds
}

// chaosKey is what came of a key.
type chaosKey struct {
	crc  uint32
	last int64            // the change that came last
	most int64            // the highest one
	era  int              // in which it went back last
	ids  map[int64]string // of its changes
}

func newChaosReceiver(t *testing.T, seed uint64) *chaosReceiver {
	r := &chaosReceiver{rng: rand.New(rand.NewPCG(seed, 2)), ids: map[string][2]int64{}}
	for i := range r.keys {
		r.keys[i].ids = map[int64]string{}
	}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *chaosReceiver) serve(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Data struct {
			DocumentKey struct {
				ID int `json:"_id"`
			} `json:"documentKey"`
			OperationType string `json:"operationType"`
			FullDocument  struct {
				N int64 `json:"n"`
			} `json:"fullDocument"`
			UpdateDescription struct {
				UpdatedFields struct {
					N int64 `json:"n"`
				} `json:"updatedFields"`
			} `json:"updateDescription"`
		} `json:"data"`
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable) // a sender that died
		return
	}
	n := body.Data.FullDocument.N
	if body.Data.OperationType == "update" {
		n = body.Data.UpdateDescription.UpdatedFields.N
	}
	if !r.take(body.Data.DocumentKey.ID, n, req.Header.Get("webhook-id")) {
		r.refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.taken.Add(1)
	w.WriteHeader(http.StatusNoContent)
}

// take accounts for a change; false: it is refused.
func (r *chaosReceiver) take(key int, n int64, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rng.IntN(10) == 0 {
		return false
	}
	k := &r.keys[key]
	if seen, ok := r.ids[id]; ok && seen != [2]int64{int64(key), n} {
		r.complain("id %s stands for change %d of key %d and for change %d of key %d", id, seen[1], seen[0], n, key)
	}
	if old, ok := k.ids[n]; ok && old != id {
		r.complain("change %d of key %d came as %s and as %s", n, key, old, id)
	}
	r.ids[id], k.ids[n] = [2]int64{int64(key), n}, id
	switch {
	case n == k.last+1:
	case n == k.last:
		r.again++
	case n < k.last && k.era < r.era:
		k.era = r.era
		r.again++
	default:
		r.complain("change %d of key %d came after change %d", n, key, k.last)
	}
	k.last = n
	if n == k.most+1 {
		k.crc, k.most = chain(k.crc, n), n
	}
	return true
}

func (r *chaosReceiver) complain(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// mayGoBack allows every key to go back once, for a rewind.
func (r *chaosReceiver) mayGoBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.era++
}

func (r *chaosReceiver) violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong
}

func (r *chaosReceiver) repeated() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.again
}

func (r *chaosReceiver) reached(w *chaosWriters) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.keys {
		if r.keys[i].most < w.counts[i].Load() {
			return false
		}
	}
	return true
}

// arrived is how many changes have arrived.
func (r *chaosReceiver) arrived() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.keys {
		n += r.keys[i].most
	}
	return n
}

// progress tells which keys are behind.
func (r *chaosReceiver) progress(w *chaosWriters) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := fmt.Sprint("wrong: ", r.wrong, "; behind:")
	for i := range r.keys {
		if want := w.counts[i].Load(); r.keys[i].most < want {
			out += fmt.Sprintf(" key %d: %d of %d", i, r.keys[i].most, want)
		}
	}
	return out
}

func (r *chaosReceiver) checksums() (sums [chaosKeys]uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.keys {
		sums[i] = r.keys[i].crc
	}
	return sums
}
