package mongoerr

import (
	"context"
	"errors"
	"slices"
)

// passing are the codes of a server that cannot be reached, or cannot serve now: it
// starts, stops, is looking for a primary, or is not initiated yet.
var passing = []int32{
	HostUnreachable, HostNotFound, NetworkTimeout, ShutdownInProgress,
	94,    // NotYetInitialized
	133,   // FailedToSatisfyReadPreference
	189,   // PrimarySteppedDown
	262,   // ExceededTimeLimit
	9001,  // SocketException
	10107, // NotWritablePrimary
	11600, // InterruptedAtShutdown
	11602, // InterruptedDueToReplStateChange
	13435, // NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
}

// Passing tells of an error that says nothing about what was asked: the server could
// not be reached, or could not serve at that moment.
func Passing(err error) bool {
	return slices.Contains(passing, CodeOf(err)) || errors.Is(err, context.DeadlineExceeded)
}
