package testkit_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const chaosKeys = 24

// chain continues a CRC by a change.
func chain(crc uint32, n int64) uint32 {
	return crc32.Update(crc, crc32.IEEETable, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// chaosTrack is what came of the changes that one subscription delivers, key by
// key: change n of a key is to come once n-1 has, under one id, whatever repeats.
type chaosTrack struct {
	name    string
	journal *chaosJournal
	lax     bool // more than the last change of a key may come again: the cursor records what was sent
	once    bool // nothing comes again, whatever is sent again
	// refused tells of changes that the receiver never takes, but redriven; nil: none.
	refused func(key int, n int64) bool

	mu    sync.Mutex
	keys  [chaosKeys]chaosKey
	ids   map[string][2]int64 // what an event id was seen with: key, change
	after *[chaosKeys]int64   // changes made before it was there for sure; nil: none
	wrong []string
	again int
	era   int // of rewinds and of gateways that slept
}

// chaosKey is what came of a key.
type chaosKey struct {
	crc   uint32
	first int64            // the change that came first, 0: none
	last  int64            // that came last
	most  int64            // the highest one
	era   int              // in which it went back last
	ids   map[int64]string // of its changes
}

func newChaosTrack(name string, j *chaosJournal) *chaosTrack {
	t := &chaosTrack{name: name, journal: j, ids: map[string][2]int64{}}
	for i := range t.keys {
		t.keys[i].ids = map[int64]string{}
	}
	return t
}

// take accounts for a change.
func (t *chaosTrack) take(key int, n int64, id string, redriven bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := &t.keys[key]
	if seen, ok := t.ids[id]; ok && seen != [2]int64{int64(key), n} {
		t.complain("id %s stands for change %d of key %d and for change %d of key %d", id, seen[1], seen[0], n, key)
	}
	old, came := k.ids[n]
	if came && old != id {
		t.complain("change %d of key %d came as %s and as %s", n, key, old, id)
	}
	t.ids[id], k.ids[n] = [2]int64{int64(key), n}, id
	switch {
	case came:
		t.takeAgain(k, key, n)
	case redriven:
		return
	case k.first == 0:
		k.first = n
	case n != t.next(key, k.most):
		t.complain("change %d of key %d came first after change %d", n, key, k.most)
	}
	if k.last = n; n > k.most {
		k.crc, k.most = chain(k.crc, n), n
	}
}

// next is the change that is to come after one.
func (t *chaosTrack) next(key int, n int64) int64 {
	for n++; t.refused != nil && t.refused(key, n); n++ {
	}
	return n
}

func (t *chaosTrack) takeAgain(k *chaosKey, key int, n int64) {
	t.again++
	switch {
	case t.once:
		t.complain("change %d of key %d came again, after change %d", n, key, k.last)
	case t.lax, n == k.last, n == t.next(key, k.last), n == k.most:
	case k.era < t.era:
		k.era = t.era
	default:
		t.complain("change %d of key %d came again after change %d", n, key, k.last)
	}
}

func (t *chaosTrack) complain(format string, args ...any) {
	what := t.name + ": " + fmt.Sprintf(format, args...)
	t.wrong = append(t.wrong, what)
	t.journal.add("WRONG %s", what)
}

// violations are what was wrong.
func (t *chaosTrack) violations() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.wrong)
}

// mayGoBack allows every key to go back once more.
func (t *chaosTrack) mayGoBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.era++
}

// since tells which changes were made before the subscription was there for sure.
func (t *chaosTrack) since(made [chaosKeys]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.after = &made
}

// arrived is how many changes have arrived.
func (t *chaosTrack) arrived() (n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.keys {
		n += int64(len(t.keys[i].ids))
	}
	return n
}

// missing tells which changes of those that were made have not come.
func (t *chaosTrack) missing(made [chaosKeys]int64) (out []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.keys {
		from := int64(1)
		if t.after != nil {
			from = t.after[key] + 2 // the next one may have been acknowledged, though it was not counted
		}
		for n := from; n <= made[key]; n++ {
			if t.keys[key].ids[n] == "" && (t.refused == nil || !t.refused(key, n)) {
				out = append(out, fmt.Sprintf("%s: change %d of the %d of key %d", t.name, n, made[key], key))
				break
			}
		}
	}
	return out
}

// checksums are the CRCs of what came for the first time, in the order in which it did.
func (t *chaosTrack) checksums() (sums [chaosKeys]uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.keys {
		sums[i] = t.keys[i].crc
	}
	return sums
}

// chaosReceiver takes what is posted for any number of subscriptions, each at a path
// of its own, refuses one in ten, and now and then stalls, hangs up in the midst of
// its answer or asks for time.
type chaosReceiver struct {
	*httptest.Server
	journal        *chaosJournal
	taken, refused atomic.Int64
	steady         bool         // it takes all but what a track never takes
	healed         atomic.Bool  // it takes that, too
	gone           atomic.Value // string: the path that is gone

	mu     sync.Mutex
	rng    *rand.Rand
	tracks map[string]*chaosTrack
	schema []string                   // the changes of the schema, in the order in which they came first
	reads  map[string]map[string]bool // keys that were read, by backfill
	ids    map[string]string          // of changes of the schema
	ended  map[string]time.Time       // subscriptions that were dropped
	wrong  []string
}

func newChaosReceiver(t *testing.T, seed uint64, j *chaosJournal) *chaosReceiver {
	r := &chaosReceiver{journal: j, rng: rand.New(rand.NewPCG(seed, 2)), tracks: map[string]*chaosTrack{}, ids: map[string]string{}, ended: map[string]time.Time{}, reads: map[string]map[string]bool{}}
	r.gone.Store("")
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

// track begins the account of a subscription.
func (r *chaosReceiver) track(name string) *chaosTrack {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks[name] = newChaosTrack(name, r.journal)
	return r.tracks[name]
}

// forget ends the account of a subscription that was dropped, but for what was wrong.
func (r *chaosReceiver) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tracks[name]
	t.mu.Lock()
	defer t.mu.Unlock()
	r.wrong = append(r.wrong, t.wrong...)
	delete(r.tracks, name)
	r.ended[name] = time.Now()
}

// expects tells whether something may still come for a subscription without an account.
func (r *chaosReceiver) expects(name string) bool {
	const grace = 3 * time.Second
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.ended[name]
	return ok && time.Since(at) < grace
}

// chaosEvent is a CloudEvent as far as it is looked at.
type chaosEvent struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		NS struct {
			Coll string `json:"coll"`
		} `json:"ns"`
		DocumentKey struct {
			ID any `json:"_id"`
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

// change is the change of a key that an event tells of.
func (e *chaosEvent) change() (key int, n int64) {
	id, _ := e.Data.DocumentKey.ID.(float64)
	if e.Data.OperationType == "update" {
		return int(id), e.Data.UpdateDescription.UpdatedFields.N
	}
	return int(id), e.Data.FullDocument.N
}

func (r *chaosReceiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable) // a sender that died
		return
	}
	if !strings.HasPrefix(string(body), "[") {
		body = slices.Concat([]byte{'['}, body, []byte{']'})
	}
	var all []chaosEvent
	if err := json.Unmarshal(body, &all); err != nil {
		r.complain("%s: %v: %s", req.URL.Path, err, body)
	}
	path := strings.TrimPrefix(req.URL.Path, "/")
	switch {
	case r.gone.Load() == path:
		w.WriteHeader(http.StatusGone)
		return
	}
	fault := r.fault()
	if fault.refuses() {
		r.refused.Add(int64(len(all)))
		fault.refuse(w, req)
		return
	}
	redriven := req.Header.Get("weir-redrive") != ""
	var failed []string
	refused := map[any]bool{} // keys: what follows is refused, too, as its order matters
	for i := range all {
		key := all[i].Data.DocumentKey.ID
		if refused[key] = refused[key] || !r.take(path, &all[i], redriven, len(all) > 1); refused[key] {
			failed = append(failed, all[i].ID)
		}
	}
	r.taken.Add(int64(len(all) - len(failed)))
	r.refused.Add(int64(len(failed)))
	switch {
	case len(failed) > 0 && len(all) > 1:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"failed": failed})
	case len(failed) > 0:
		w.WriteHeader(http.StatusUnprocessableEntity)
	case fault == faultHalf:
		answerHalf(w)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// chaosFault is what receivers do at their worst.
type chaosFault int

const (
	noFault chaosFault = iota
	faultAway
	faultBusy
	faultAsks  // for time
	faultStall // until the sender gives up
	faultHalf  // of an answer comes, which says that all is well
)

// fault is what becomes of a request: one in ten is refused, or answered by half.
func (r *chaosReceiver) fault() chaosFault {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.steady || r.rng.IntN(10) > 0 {
		return noFault
	}
	switch n := r.rng.IntN(100); {
	case n < 1:
		return faultAsks
	case n < 2:
		return faultStall
	case n < 40:
		return faultBusy
	case n < 50:
		return faultHalf
	}
	return faultAway
}

func (f chaosFault) refuses() bool { return f != noFault && f != faultHalf }

func (f chaosFault) refuse(w http.ResponseWriter, req *http.Request) {
	switch f {
	case faultStall:
		select {
		case <-req.Context().Done():
		case <-time.After(time.Second):
		}
	case faultAsks:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case faultBusy:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// answerHalf writes the beginning of a good answer and hangs up.
func answerHalf(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		_ = conn.Close()
	}
}

// take accounts for an event; false: it is refused. Of those that come together some
// are by chance.
func (r *chaosReceiver) take(path string, e *chaosEvent, redriven, together bool) bool {
	r.mu.Lock()
	t := r.tracks[path]
	some := together && !r.steady && r.rng.IntN(30) == 0
	r.mu.Unlock()
	switch {
	case e.Data.OperationType == "read":
		r.takeRead(e)
	case path == "schema":
		r.takeSchema(e)
	case t == nil && r.expects(path):
	case t == nil:
		r.complain("%s is not expected at /%s", e.ID, path)
	default:
		key, n := e.change()
		if some || t.refused != nil && t.refused(key, n) && !r.healed.Load() {
			return false
		}
		t.take(key, n, e.ID, redriven)
	}
	return true
}

// takeRead accounts for a document of a backfill.
func (r *chaosReceiver) takeRead(e *chaosEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, job, _ := strings.Cut(e.ID, ":bf")
	job, _, _ = strings.Cut(job, ":")
	if r.reads[job] == nil {
		r.reads[job] = map[string]bool{}
	}
	r.reads[job][fmt.Sprint(e.Data.DocumentKey.ID)] = true
}

// takeSchema accounts for a change of the schema, or of a document of it.
func (r *chaosReceiver) takeSchema(e *chaosEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := e.Data.OperationType + " " + e.Data.NS.Coll
	if r.ids[e.ID] == "" {
		r.ids[e.ID] = what
		r.schema = append(r.schema, what)
	}
	if r.ids[e.ID] != what {
		r.wrong = append(r.wrong, fmt.Sprintf("schema: id %s stands for %s and for %s", e.ID, r.ids[e.ID], what))
	}
}

func (r *chaosReceiver) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// all gives the tracks in order of their names.
func (r *chaosReceiver) all() (out []*chaosTrack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.tracks)) {
		out = append(out, r.tracks[name])
	}
	return out
}

// own is what was wrong but for what the tracks say.
func (r *chaosReceiver) own() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wrong)
}

// changesOfSchema are those that came, in the order in which they came first.
func (r *chaosReceiver) changesOfSchema() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.schema)
}

// read counts the documents that a backfill delivered.
func (r *chaosReceiver) read(job string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.reads[job])
}
