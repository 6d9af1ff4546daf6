//go:build race

package events_test

// Under the race detector documents are just large enough for two of them to be more
// than one document holds: an event with both images is split as with larger ones.
const (
	raceDetector = true
	largestPad   = 17 << 19
)
