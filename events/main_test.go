package events_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain runs more tests beside each other than there are processors: they wait
// for leases, retries and brokers most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "6")
	}
	os.Exit(m.Run())
}
