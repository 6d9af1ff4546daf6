package sink

import (
	"errors"
	"sync"
)

// renewed holds a broker's client, which is made anew after it was dropped. A send
// whose time has run out drops it: some clients go on trying beyond that, and
// what they still hold would come on top of what is sent again.
type renewed[T any] struct {
	make  func() (T, error)
	close func(T)

	mu     sync.Mutex
	client T
	number uint64 // of the clients made
	open   bool
	ended  bool
}

// errEnded is what a send gets whose target is closed meanwhile.
var errEnded = errors.New("the target is closed")

// get gives the client, and what drops it; that may be called again, and by
// others who have the same client.
func (r *renewed[T]) get() (client T, drop func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return client, nil, errEnded
	}
	if !r.open {
		if r.client, err = r.make(); err != nil {
			return client, nil, err
		}
		r.open = true
		r.number++
	}
	number := r.number
	return r.client, func() { r.drop(number) }, nil
}

// drop closes a client, unless that was done already.
func (r *renewed[T]) drop(number uint64) {
	r.mu.Lock()
	mine, client := r.open && r.number == number, r.client
	if mine {
		r.open = false
	}
	r.mu.Unlock()
	if mine {
		r.close(client)
	}
}

// end closes the client that there is; there will be no other.
func (r *renewed[T]) end() {
	r.mu.Lock()
	r.ended = true
	number := r.number
	r.mu.Unlock()
	r.drop(number)
}
