package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/bench"
)

// Every load runs, however briefly.
func TestRun(t *testing.T) {
	var lines []string
	results, err := bench.Run(t.Context(), bench.Config{
		Documents: 2000, Rounds: 1, Time: 5 * time.Millisecond, Report: func(line string) { lines = append(lines, line) },
	})
	require.NoError(t, err)
	require.Len(t, results, 13)
	for _, r := range results {
		for name, v := range r.Values {
			require.Positive(t, v, "%s on %s", r.Name, name)
		}
	}
	require.Contains(t, strings.Join(lines, "\n"), "open and read a document")
}

// BenchmarkEngine reports each load's rate and its ratio to the bare storage.
func BenchmarkEngine(b *testing.B) {
	for b.Loop() {
		results, err := bench.Run(b.Context(), bench.Config{Documents: 100_000, Rounds: 1})
		require.NoError(b, err)
		for _, r := range results {
			name := strings.NewReplacer(" ", "_", ",", "").Replace(r.Name)
			b.ReportMetric(r.Values["weir"], name+"_"+r.Unit)
			if x, ok := r.Ratios["pebble"]; ok {
				b.ReportMetric(x, name+"_per_pebble")
			}
		}
	}
}
