package sqlfunc

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Every signature is evaluated locally or is a window function or count-like
// marker that only the engine's own stages know.
func TestEverySignatureIsImplemented(t *testing.T) {
	table := New()
	lib := table.Library()
	for _, f := range table.All() {
		if f.Kind == Window {
			continue
		}
		assert.True(t, Implemented(lib, f), "%s (%s) has no implementation", f.Name, f.Impl)
	}
}
