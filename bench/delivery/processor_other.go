//go:build !unix

package delivery

import "time"

// processorTime is what this process has used; it is not known here.
func processorTime() time.Duration { return 0 }
