package sink

import "sync"

// renewed holds a broker's client, which is made anew after it was dropped. A send
// whose time has run out drops it: some clients go on trying beyond that, and
// what they still hold would come on top of what is sent again.
type renewed[T any] struct {
	make  func() (T, error)
	close func(T)

	mu     sync.Mutex
	client T
	open   bool
	ended  bool
}

// get gives the client, and what drops it; that may be called again.
func (r *renewed[T]) get() (client T, drop func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		if r.client, err = r.make(); err != nil {
			return client, nil, err
		}
		r.open = true
	}
	client = r.client
	return client, sync.OnceFunc(func() { r.drop(client) }), nil
}

func (r *renewed[T]) drop(client T) {
	r.mu.Lock()
	r.open = false
	r.mu.Unlock()
	r.close(client)
}

// end closes the client that there is.
func (r *renewed[T]) end() {
	r.mu.Lock()
	open, client := r.open, r.client
	r.open = false
	r.mu.Unlock()
	if open {
		r.close(client)
	}
}
