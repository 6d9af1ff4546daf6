package events

import (
	"math/rand/v2"
	"slices"
	"time"
)

// terminalSends is how many sends an answer gets that retrying will hardly mend.
const terminalSends = 3

// maxRetryAfter bounds what a receiver can ask for.
const maxRetryAfter = 24 * time.Hour

// retryDelay is the time before the send after attempt n (1 for the first):
// random between 0 and the delay, which doubles up to its cap; a receiver's
// Retry-After is honoured where it is longer.
func retryDelay(s *Spec, attempt int, after time.Duration, random func() float64) time.Duration {
	delay := time.Duration(s.RetryDelayMS) * time.Millisecond
	longest := time.Duration(s.MaxRetryDelayMS) * time.Millisecond
	if s.ExponentialBackoff {
		for range attempt - 1 {
			if delay >= longest {
				break
			}
			delay *= 2
		}
		delay = time.Duration(random() * float64(min(delay, longest)))
	}
	return max(delay, min(after, maxRetryAfter))
}

// verdict is what becomes of an event after a failed send.
type verdict uint8

const (
	verdictRetry verdict = iota
	verdictDead
	verdictSuspend
)

// judge decides after a failed send; reason is the dead letter's.
func judge(s *Spec, f *SinkError, attempt int, eventMS int64, now time.Time) (v verdict, reason string) {
	class := classify(s, f)
	switch {
	case f.Reason != "":
		return verdictDead, f.Reason
	case class.suspends():
		return verdictSuspend, ""
	case class == FailTerminal && slices.Contains(s.TerminalStatuses, f.Status):
		return verdictDead, "terminal_status"
	case class == FailTerminal && attempt >= min(terminalSends, 1+allowed(s)):
		return verdictDead, "terminal_status"
	case s.MaxAge > 0 && now.UnixMilli()-eventMS > s.MaxAge.Milliseconds():
		return verdictDead, "max_age"
	case s.MaxRetryAttempts >= 0 && attempt > s.MaxRetryAttempts:
		return verdictDead, "max_attempts"
	}
	return verdictRetry, ""
}

// suspends tells that no event can be delivered until a person did something.
func (c FailureClass) suspends() bool { return c == FailGone || c == FailAuth }

func allowed(s *Spec) int {
	if s.MaxRetryAttempts < 0 {
		return terminalSends
	}
	return s.MaxRetryAttempts
}

// classify applies retry_statuses and terminal_statuses.
func classify(s *Spec, f *SinkError) FailureClass {
	switch {
	case f.Status == 0:
		return f.Class
	case slices.Contains(s.TerminalStatuses, f.Status):
		return FailTerminal
	case slices.Contains(s.RetryStatuses, f.Status):
		return FailRetry
	}
	return f.Class
}

func jitter() float64 { return rand.Float64() }
