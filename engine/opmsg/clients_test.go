package opmsg_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Other clients than the Go driver; each test runs where its client is installed.

// client runs a program against a new server; probe tells whether it is there.
func client(t *testing.T, probe []string, command ...string) {
	t.Helper()
	if err := exec.Command(probe[0], probe[1:]...).Run(); err != nil {
		t.Skipf("%s is not installed", strings.Join(probe, " "))
	}
	uri := "mongodb://" + serve(t) + "/"
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "URI", uri)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = "testdata"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, strings.HasSuffix(strings.TrimSpace(string(out)), "fine"), "%s", out)
}

func TestPyMongo(t *testing.T) {
	client(t, []string{"/usr/bin/python3", "-c", "import pymongo, gridfs"}, "/usr/bin/python3", "smoke.py", "URI")
}

func TestMongosh(t *testing.T) {
	client(t, []string{"mongosh", "--version"}, "mongosh", "--quiet", "URI", "smoke.js")
}

func TestNodeDriver(t *testing.T) {
	client(t, []string{"node", "-e", "require('mongodb')"}, "node", "smoke.cjs", "URI")
}
