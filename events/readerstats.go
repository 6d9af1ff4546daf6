package events

import (
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// readerStats are the figures of ACTIVE_CHANGE_STREAMS(): totals since the
// reader began, and rates over the last whole seconds.
type readerStats struct {
	mu        sync.Mutex
	events    int64
	bytes     int64
	reopens   int64
	lastError string
	down      bool           // since the last event or reply
	still     bool           // the watchdog met it
	token     string         // of the last save
	lastTime  bson.Timestamp // cluster time of the last event
	operation bson.Timestamp // how far the stream is
	window    [rateSeconds]rateSlot
}

// rateSeconds is how far back rates look.
const rateSeconds = 10

type rateSlot struct{ second, events, bytes int64 }

func (s *readerStats) batch(events []Event, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := int64(0)
	for i := range events {
		bytes += int64(len(events[i].Raw))
	}
	s.events += int64(len(events))
	s.bytes += bytes
	s.lastTime = events[len(events)-1].Time
	s.operation = s.lastTime
	s.down, s.still = false, false
	slot := &s.window[now.Unix()%rateSeconds]
	if slot.second != now.Unix() {
		*slot = rateSlot{second: now.Unix()}
	}
	slot.events += int64(len(events))
	slot.bytes += bytes
}

// stands notes whether the stream stands still.
func (s *readerStats) stands(still bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.still = still
}

// status is called under mu.
func (s *readerStats) status() string {
	if s.still {
		return "stalled"
	}
	if s.down {
		return "reopening"
	}
	return "running"
}

// idle notes a reply without events, and how far the stream is.
func (s *readerStats) idle(operation bson.Timestamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.operation = operation
	s.down = false
}

// savedToken keeps the token for show.
func (s *readerStats) savedToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

func (s *readerStats) reopened(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reopens++
	s.down = true
	if err != nil {
		s.lastError = err.Error()
	}
}

// resumed counts that the driver opened the stream anew.
func (s *readerStats) resumed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reopens++
}

// rates gives events and bytes per second over the last whole seconds.
func (s *readerStats) rates(now time.Time) (events, bytes float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, slot := range s.window {
		if age := now.Unix() - slot.second; age > 0 && age < rateSeconds {
			events += float64(slot.events)
			bytes += float64(slot.bytes)
		}
	}
	return events / (rateSeconds - 1), bytes / (rateSeconds - 1)
}
