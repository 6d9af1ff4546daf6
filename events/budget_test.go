package events

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// reserving asks for a reservation beside and gives where its end is told.
func reserving(t *testing.T, b *budget, kind budgetKind, n int) <-chan func() {
	got := make(chan func(), 1)
	go func() {
		release, err := b.reserve(t.Context(), kind, n)
		if err == nil {
			got <- release
		}
	}()
	return got
}

func TestBudgetGrantsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &budget{limit: 100}
		first, err := b.reserve(t.Context(), budgetSends, 250)
		require.NoError(t, err, "one thing always passes, however large")
		second, third := reserving(t, b, budgetSends, 60), reserving(t, b, budgetSends, 1)
		synctest.Wait()
		require.Empty(t, second)
		require.Empty(t, third, "it came after one that waits")
		reader, err := b.reserve(t.Context(), budgetReaders, 300)
		require.NoError(t, err, "a reader does not wait for receivers")
		reader()
		first()
		synctest.Wait()
		release := <-second
		(<-third)()
		b.take(30)
		fourth := reserving(t, b, budgetSends, 20)
		synctest.Wait()
		require.Empty(t, fourth, "there are 90 of 100")
		b.give(30)
		synctest.Wait()
		(<-fourth)()
		release()
		release()
		require.Zero(t, b.used.Load())
	})
}

func TestBudgetDoesNotWaitForTheStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &budget{limit: 100}
		stalled, err := b.reserve(t.Context(), budgetTails, 100)
		require.NoError(t, err)
		next := reserving(t, b, budgetTails, 100)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = b.reserve(ctx, budgetTails, 1)
		require.ErrorIs(t, err, context.Canceled)
		time.Sleep(budgetPatience - time.Second)
		synctest.Wait()
		require.Empty(t, next)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		(<-next)()
		stalled()
		require.Zero(t, b.used.Load())
		require.Zero(t, b.waiting.Load())
	})
}
