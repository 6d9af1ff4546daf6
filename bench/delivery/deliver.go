package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// manySubscriptions is how many subscriptions the measures of many have.
const manySubscriptions = 1000

// createMany makes subscriptions of which each wants one customer's events.
func createMany(ctx context.Context, r *rig, n int) error {
	for i := range n {
		if err := r.exec(ctx, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION bench_%d AS (watch_collections = 'docs', event_filter = '{"fullDocument.customer": %d}', target = 'notify:c%d')`, i, i, i)); err != nil {
			return err
		}
	}
	return nil
}

// delivered logs and delivers events that are in the oplog; it gives the rate, and
// per event the processor time in microseconds and the memory taken in kilobytes.
func delivered(ctx context.Context, r *rig, name string, n int) (perS, cpu, kb float64, err error) {
	base, err := r.logged(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	if err := r.behind(ctx, n); err != nil {
		return 0, 0, 0, err
	}
	err = r.o.profiled(name, func() error {
		used, from := spentNow(), time.Now()
		if err := r.start(ctx); err != nil {
			return err
		}
		if err := r.untilLogged(ctx, base, int64(n)); err != nil {
			return err
		}
		err := r.untilSettled(ctx)
		perS = rate(n, time.Since(from))
		cpu, kb = used.perEvent(n)
		return err
	})
	return perS, cpu, kb, err
}

func measureFanout(ctx context.Context, o Options) (_ []line, err error) {
	one, oneCPU, oneKB, _, err := fanout(ctx, o, "fanout1", func(ctx context.Context, r *rig) error {
		return r.exec(ctx, `CREATE EVENT_SUBSCRIPTION bench_one ON docs DELIVER TO NOTIFY one`)
	})
	if err != nil {
		return nil, err
	}
	many, manyCPU, manyKB, streams, err := fanout(ctx, o, "fanout", func(ctx context.Context, r *rig) error { return createMany(ctx, r, manySubscriptions) })
	if err != nil {
		return nil, err
	}
	return []line{
		{"delivered, 1,000 subs", perSecond(many), fmt.Sprintf("%.2fx of one subscription, %.0f/s", many/one, one), ">= 30,000/s", many >= 30_000},
		{"CPU/event, 1,000 subs", fmt.Sprintf("%.1f us", manyCPU), fmt.Sprintf("%.2fx of one subscription, %.1f us", manyCPU/oneCPU, oneCPU), "<= 2x", manyCPU <= 2*oneCPU},
		{"memory taken/event, 1,000 subs", fmt.Sprintf("%.1f kB", manyKB), fmt.Sprintf("%.1f kB with one subscription", oneKB), "", true},
		{"change streams, 1,000 subs", fmt.Sprint(streams), "", "1", streams == 1},
	}, nil
}

func fanout(ctx context.Context, o Options, name string, create func(context.Context, *rig) error) (perS, cpu, kb float64, streams int64, err error) {
	r, err := newRig(ctx, o, name)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if err := create(ctx, r); err != nil {
		return 0, 0, 0, 0, err
	}
	if streams, err = r.number(ctx, `SELECT count(*) FROM ACTIVE_CHANGE_STREAMS()`); err != nil {
		return 0, 0, 0, 0, err
	}
	perS, cpu, kb, err = delivered(ctx, r, name, o.Events)
	return perS, cpu, kb, streams, err
}

func measureCreate(ctx context.Context, o Options) (_ []line, err error) {
	r, err := newRig(ctx, o, "create")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	from := time.Now()
	if err := createMany(ctx, r, 100); err != nil {
		return nil, err
	}
	first := time.Since(from)
	for i := 100; i < manySubscriptions; i++ {
		if i == manySubscriptions-100 {
			from = time.Now()
		}
		if err := r.exec(ctx, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION bench_%d ON docs WHERE full_document->>'customer' = '%d'`, i, i)); err != nil {
			return nil, err
		}
	}
	last := time.Since(from)
	return []line{{"CREATE, the 900th to 1,000th", fmt.Sprintf("%.1f ms each", last.Seconds()*10), fmt.Sprintf("%.1fx of the first 100, %.1f ms each", last.Seconds()/first.Seconds(), first.Seconds()*10), "", true}}, nil
}

// receiver counts what is posted to it.
type receiver struct {
	url   string
	n     atomic.Int64
	bytes atomic.Int64
	hold  atomic.Pointer[chan struct{}] // answers wait for it to be closed
	stop  func()
}

func newReceiver() (*receiver, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + ln.Addr().String() + "/"}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if hold := r.hold.Load(); hold != nil {
			select {
			case <-*hold:
			case <-req.Context().Done():
			}
		}
		n, _ := io.Copy(io.Discard, req.Body)
		r.bytes.Add(n)
		r.n.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() { _ = s.Serve(ln) }()
	r.stop = func() { _ = s.Close() }
	return r, nil
}

func measureWebhook(ctx context.Context, o Options) (_ []line, err error) {
	in, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer in.stop()
	r, err := newRig(ctx, o, "webhook")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	base, err := r.logged(ctx)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{`CREATE EVENT_SUBSCRIPTION bench_hooked ON docs DELIVER TO '` + in.url + `'`, `PAUSE EVENT_SUBSCRIPTION bench_hooked`} {
		if err := r.exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	if err := r.write(ctx, 0, o.Events); err != nil {
		return nil, err
	}
	if err := r.untilLogged(ctx, base, int64(o.Events)); err != nil {
		return nil, err
	}
	from := time.Now()
	if err := r.exec(ctx, `RESUME EVENT_SUBSCRIPTION bench_hooked`); err != nil {
		return nil, err
	}
	if err := until(ctx, func() (bool, error) { return in.n.Load() >= int64(o.Events), nil }); err != nil {
		return nil, err
	}
	if err := r.untilSettled(ctx); err != nil {
		return nil, err
	}
	got := rate(o.Events, time.Since(from))
	bare, err := barePosts(ctx, in.url, o.Events, int(in.bytes.Load()/max(1, in.n.Load())))
	if err != nil {
		return nil, err
	}
	return []line{{"webhooks, 16 in flight", perSecond(got), fmt.Sprintf("%.2fx of a bare client, %.0f/s", got/bare, bare), ">= 13,000/s or 0.3x", got >= 13_000 || got >= 0.3*bare}}, nil
}

// barePosts is how fast net/http posts bodies of a size, 16 at a time.
func barePosts(ctx context.Context, url string, n, size int) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	body := bytes.Repeat([]byte{'x'}, size)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	from := time.Now()
	for range 16 {
		workers.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := post(ctx, client, url, body); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return rate(n, time.Since(from)), nil
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Body.Close()
}

// measureMemory has 100 subscriptions deliver everything to a receiver that does
// not answer, while writes go on.
func measureMemory(ctx context.Context, o Options) (_ []line, err error) {
	in, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer in.stop()
	hold := make(chan struct{})
	defer close(hold)
	in.hold.Store(&hold)
	r, err := newRig(ctx, o, "memory")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	for i := range 100 {
		if err := r.exec(ctx, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION bench_%d ON docs DELIVER TO '%s%d' WITH (processing_timeout_ms = 3600000)`, i, in.url, i)); err != nil {
			return nil, err
		}
	}
	var half, peak uint64
	sample := func(written int) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		if written <= o.Events/200 {
			half = peak
		}
	}
	// Every document makes 100 rows.
	for n := 0; n < o.Events/100; n += 50 {
		if err := r.write(ctx, n, 50); err != nil {
			return nil, err
		}
		base := int64(n+50) * 100
		if err := until(ctx, func() (bool, error) {
			sample(n)
			have, err := r.logged(ctx)
			return o.MongoURI != "" || have >= base, err
		}); err != nil {
			return nil, err
		}
	}
	return []line{{"heap, 100 subs, stalled", fmt.Sprintf("%d MB", peak>>20), fmt.Sprintf("%d MB at half time", half>>20), "< 400 MB, flat", peak < 400<<20}}, nil
}
