package executor_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/engine/value"
	"weir/executor"
)

// benchStack has 10,000 orders.
func benchStack(b *testing.B) *stack {
	s := newStack(b)
	var lines []string
	for i := range 10_000 {
		lines = append(lines, fmt.Sprintf(`{"_id":%d,"cust":"c%d","total":%d}`, i, i%100, i%977))
	}
	require.NoError(b, s.load(context.Background(), "orders", strings.Join(lines, "\n")))
	return s
}

func run(b *testing.B, s *stack, sql string, args ...value.Value) {
	ctx := context.Background()
	p, err := s.prepare(ctx, sql)
	require.NoError(b, err)
	for b.Loop() {
		bound, err := p.Bind(ctx, args, nil)
		require.NoError(b, err)
		rows, err := executor.Run(ctx, s.stores(), bound)
		require.NoError(b, err)
		for {
			if _, err = rows.Next(ctx); err != nil {
				break
			}
		}
		require.ErrorIs(b, err, io.EOF)
		rows.Close()
	}
}

func BenchmarkPoint(b *testing.B) {
	run(b, benchStack(b), "SELECT _id, cust, total FROM orders WHERE _id = $1", value.Int32(77))
}

func BenchmarkConstant(b *testing.B) { run(b, newStack(b), "SELECT 1") }

func BenchmarkGroup(b *testing.B) {
	run(b, benchStack(b), "SELECT cust, count(*), sum(total), avg(total) FROM orders GROUP BY cust ORDER BY cust")
}

func BenchmarkPrepare(b *testing.B) {
	s := benchStack(b)
	for b.Loop() {
		_, err := s.prepare(context.Background(), "SELECT cust, count(*) FROM orders WHERE total > 5 GROUP BY cust")
		require.NoError(b, err)
	}
}
