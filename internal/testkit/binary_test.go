package testkit_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestBinary runs the txtar scripts on the weir binary.
func TestBinary(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "weir"), "weir/cmd/weir").CombinedOutput()
	require.NoError(t, err, string(out))
	testscript.Run(t, testscript.Params{Dir: "testdata/binary", Setup: func(e *testscript.Env) error {
		e.Setenv("PATH", dir+string(filepath.ListSeparator)+e.Getenv("PATH"))
		return nil
	}})
}
