package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"weir/engine"
	"weir/store"
	"weir/store/storetest"
)

func openEngine(t *testing.T, dir string, o engine.Options) *engine.Engine {
	t.Helper()
	o.TTLInterval = -1
	e, err := engine.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestContractInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openEngine(t, "", engine.Options{}) })
}

func TestContractOnDisk(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openEngine(t, t.TempDir(), engine.Options{}) })
}
