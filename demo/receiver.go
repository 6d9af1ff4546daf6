package demo

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Receiver is a webhook endpoint on loopback that answers 204, and 503 for a
// share of the requests, so that retries and dead letters can be seen.
type Receiver struct {
	ln       net.Listener
	rng      *rand.Rand
	mu       sync.Mutex
	failRate float64

	received, failed atomic.Int64
}

// NewReceiver listens on a free loopback port. failRate is between 0 and 1.
func NewReceiver(seed uint64, failRate float64) (*Receiver, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Receiver{ln: ln, rng: rand.New(rand.NewPCG(seed, 2)), failRate: failRate}, nil
}

// URL is where it listens, with a path that names the receiving service.
func (r *Receiver) URL(service string) string {
	return "http://" + r.ln.Addr().String() + "/" + service
}

// Counts tells how many deliveries it took and how many it refused.
func (r *Receiver) Counts() (received, failed int64) { return r.received.Load(), r.failed.Load() }

// Run serves until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	srv := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(r.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	const maxBody = 32 << 20
	_, _ = io.Copy(io.Discard, io.LimitReader(req.Body, maxBody))
	if r.fails() {
		r.failed.Add(1)
		http.Error(w, "the demo receiver fails now and then", http.StatusServiceUnavailable)
		return
	}
	r.received.Add(1)
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) fails() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.Float64() < r.failRate
}
